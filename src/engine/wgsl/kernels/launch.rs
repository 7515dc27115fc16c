//! Collects a step's launches: parts of operands that fit in a binding, parameters, numbers of workgroups.

use std::ops::Range;

use super::shader::{Params, Shader};
use crate::engine::{
    Shape,
    wgsl::step::{Binding, Buffer, Dispatch, Limits, Lowered, Step, quads},
};

/// Where a part of a buffer must begin: the strictest alignment an adapter may ask for.
const ALIGNMENT: u64 = 256;

/// The part of a buffer that a launch sees.
#[derive(Clone, Debug)]
pub struct Window {
    /// What is bound.
    pub binding: Binding,
    /// The first quad asked for, counted from the beginning of what is bound.
    pub base: u32,
    /// Quads of the tensor before the first asked for.
    start: usize,
}

impl Window {
    /// The row numbers of a gather.
    pub fn rows() -> Self {
        Self {
            binding: Binding {
                buffer: Buffer::Rows,
                bytes: None,
            },
            base: 0,
            start: 0,
        }
    }

    /// Where the tensor's first quad would lie, counted from the beginning of what is bound: for kernels that count
    /// through the whole tensor. Wraps around, as addition in the kernel does again.
    pub fn origin(&self) -> u32 {
        self.base.wrapping_sub(self.start as u32)
    }
}

/// Collects a step's launches.
pub struct Launcher<'a> {
    /// What is lowered.
    pub step: &'a Step,
    /// What the kernels may use.
    pub limits: &'a Limits,
    lowered: Lowered,
}

impl<'a> Launcher<'a> {
    /// Begins with no launches.
    pub fn new(step: &'a Step, limits: &'a Limits) -> Self {
        Self {
            step,
            limits,
            lowered: Lowered::default(),
        }
    }

    /// Ends the collection.
    pub fn finish(self) -> Lowered {
        self.lowered
    }

    /// Shape of an operand.
    pub fn shape(&self, operand: usize) -> &'a Shape {
        &self.step.operands[operand]
    }

    /// Quads that a single binding holds, with room for its beginning being moved down to an aligned one.
    pub fn binding_quads(&self) -> usize {
        ((self.limits.binding_bytes - ALIGNMENT) / self.limits.storage.quad_bytes()) as usize
    }

    /// Whether a tensor fits in one binding.
    pub fn fits(&self, shape: &Shape) -> bool {
        quads(shape) as u64 * self.limits.storage.quad_bytes() <= self.limits.binding_bytes
    }

    /// A part of an operand.
    pub fn part(&self, operand: usize, part: Range<usize>) -> Window {
        self.window(Buffer::Operand(operand), self.shape(operand), part)
    }

    /// A whole operand.
    pub fn whole(&self, operand: usize) -> Window {
        self.part(operand, 0..quads(self.shape(operand)))
    }

    /// A part of the output.
    pub fn out(&self, part: Range<usize>) -> Window {
        self.window(Buffer::Output, &self.step.output, part)
    }

    /// The whole output.
    pub fn out_whole(&self) -> Window {
        self.out(0..quads(&self.step.output))
    }

    /// A part of a tensor: all of it is bound when that is allowed, so that launches share their bindings.
    fn window(&self, buffer: Buffer, shape: &Shape, part: Range<usize>) -> Window {
        if self.fits(shape) {
            return Window {
                binding: Binding {
                    buffer,
                    bytes: None,
                },
                base: part.start as u32,
                start: part.start,
            };
        }
        let quad = self.limits.storage.quad_bytes();
        let [start, end] = [part.start, part.end].map(|at| at as u64 * quad);
        let bound = start / ALIGNMENT * ALIGNMENT..end;
        assert!(
            bound.end - bound.start <= self.limits.binding_bytes,
            "{:?} needs {} bytes of {shape:?} in one binding",
            self.step.op,
            bound.end - bound.start
        );
        Window {
            base: ((start - bound.start) / quad) as u32,
            start: part.start,
            binding: Binding {
                buffer,
                bytes: Some(bound),
            },
        }
    }

    /// New scratch of so many f32.
    pub fn scratch(&mut self, elements: usize) -> Window {
        self.lowered.scratch_bytes.push(4 * elements as u64);
        Window {
            binding: Binding {
                buffer: Buffer::Scratch(self.lowered.scratch_bytes.len() - 1),
                bytes: None,
            },
            base: 0,
            start: 0,
        }
    }

    /// Workgroups for so many in a row: the second and third axis take what the first cannot.
    pub fn spread(&self, workgroups: usize) -> [u32; 3] {
        let most = self.limits.workgroups as usize;
        let x = workgroups.clamp(1, most);
        let y = workgroups.div_ceil(x).clamp(1, most);
        [x as u32, y as u32, workgroups.div_ceil(x * y).max(1) as u32]
    }

    /// Adds a launch with one invocation for each of `threads`.
    pub fn each<P: Params>(
        &mut self,
        threads: usize,
        params: &P,
        constants: Vec<(&'static str, f64)>,
        bindings: &[Option<&Window>],
    ) {
        let size: u32 = P::SHADER.workgroup.iter().product();
        let workgroups = self.spread(threads.div_ceil(size as usize));
        self.launch(workgroups, params, constants, bindings);
    }

    /// Adds a launch. A binding that the constants leave unused is `None`; something readable stands in for it.
    pub fn launch<P: Params>(
        &mut self,
        workgroups: [u32; 3],
        params: &P,
        constants: Vec<(&'static str, f64)>,
        bindings: &[Option<&Window>],
    ) {
        self.launch_as(P::SHADER, workgroups, params, constants, bindings);
    }

    /// The same with another shader that reads the same uniform block: another way to compute the same.
    pub fn launch_as<P: Params>(
        &mut self,
        shader: &'static Shader,
        workgroups: [u32; 3],
        params: &P,
        constants: Vec<(&'static str, f64)>,
        bindings: &[Option<&Window>],
    ) {
        assert_eq!(shader.params_bytes, P::SHADER.params_bytes, "{shader:?}");
        let most = self.limits.workgroups;
        assert!(
            workgroups.iter().all(|&count| count > 0 && count <= most),
            "{shader:?}: {workgroups:?} workgroups"
        );
        assert_eq!(bindings.len(), shader.writes.len(), "{shader:?}");
        debug_assert!(
            constants
                .iter()
                .all(|(name, _)| shader.overrides.contains(name)),
            "{shader:?}: {constants:?}"
        );
        let readable = bindings.iter().zip(shader.writes);
        let stand_in = readable
            .filter(|(_, writes)| !**writes)
            .find_map(|(window, _)| *window);
        let bindings = bindings.iter().map(|window| {
            let window = window.or(stand_in).expect("a launch reads something");
            window.binding.clone()
        });
        let scalars = self.step.scalars().len();
        assert!(
            scalars <= shader.scalar_room || shader.scalars_at.is_none(),
            "{shader:?}: {scalars} scalars"
        );
        self.lowered.dispatches.push(Dispatch {
            shader: shader.name,
            constants,
            bindings: bindings.collect(),
            params: params.words(),
            scalars_at: shader.scalars_at.filter(|_| scalars > 0),
            workgroups,
        });
    }
}

/// A condition as a pipeline-overridable constant.
pub fn flag(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}
