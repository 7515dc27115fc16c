//! A graph's recipe: its launches, where every tensor lies, and how much memory that takes, before a device is touched.

use std::{ops::Range, rc::Rc, rc::Weak};

use super::{
    cost::Cost,
    fuse::{self, Program, Task},
    graph::{Constant, Content, Line},
    kernels,
    memory::{Layout, Need},
    step::{self, Dispatch, Limits, quads},
};
use crate::{
    engine::{Footprint, Shape},
    error::{Error, Result},
};

/// Alignment of uniform blocks and of rows: what every device accepts.
const ALIGNMENT: u64 = 256;

/// Operations after which a submission ends, so that none runs for long: a browser's watchdog kills those. A GPU
/// does this many in a tenth of a second or less, a processor in about a second.
const GPU_BATCH: u64 = 200_000_000_000;
const SOFTWARE_BATCH: u64 = 2_000_000_000;

/// How graphs become plans. All true but in tests.
#[derive(Clone, Copy, Debug)]
pub struct Passes {
    /// Fold operations into each other.
    pub fuse: bool,
    /// Let tensors use the memory of others whose time is over.
    pub share: bool,
}

/// Where a tensor lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the slot of this number.
    Slot(usize),
    /// In the constant at this position of the line.
    Constant(usize),
    /// In the buffer of rows.
    Rows,
}

/// A part of a place.
#[derive(Clone, Debug)]
pub struct Binding {
    pub place: Place,
    pub offset: u64,
    pub bytes: u64,
}

/// A kernel's launch.
#[derive(Debug)]
pub struct Launch {
    pub dispatch: Dispatch,
    /// Its storage buffers.
    pub bindings: Vec<Binding>,
    /// Its block of the uniforms.
    pub block: Range<u64>,
}

/// A step with its launches.
pub struct Stage {
    pub task: Task,
    pub cost: Cost,
    /// Positions of its launches.
    pub launches: Range<usize>,
    /// Where its rows begin in the buffer of rows.
    pub rows_at: u64,
}

/// A graph's recipe.
pub struct Plan {
    pub stages: Vec<Stage>,
    pub launches: Vec<Launch>,
    /// Stages that are submitted together.
    pub batches: Vec<Range<usize>>,
    /// Bytes of each slot, the largest first.
    pub slots: Vec<u64>,
    /// Nodes of the line that are copied in, and their slots.
    pub inputs: Vec<(usize, usize)>,
    /// Where each root lies when all is done.
    pub roots: Vec<Binding>,
    pub uniform_bytes: u64,
    pub rows_bytes: u64,
    pub footprint: Footprint,
    constants: Vec<Weak<Constant>>,
}

impl Plan {
    /// Plans a graph.
    ///
    /// # Errors
    /// When a tensor is larger than the device allows.
    pub fn new(line: &Line, limits: &Limits, passes: Passes) -> Result<Self> {
        for entry in &line.nodes {
            let bytes = stored_bytes(&entry.node.shape, limits);
            if bytes > limits.buffer_bytes {
                return Err(too_large(
                    "a tensor of this job",
                    bytes,
                    limits.buffer_bytes,
                ));
            }
        }
        let program = fuse::program(line, passes.fuse);
        let lowered: Vec<_> = program
            .tasks
            .iter()
            .map(|task| kernels::lower(&task.step, limits))
            .collect();
        let scratch = lowered.iter().map(|lowered| &lowered.scratch_bytes[..]);
        let homes = Homes::new(line, &program, scratch, limits, passes.share);
        let mut plan = Self {
            stages: Vec::new(),
            launches: Vec::new(),
            batches: Vec::new(),
            slots: homes.slots,
            inputs: homes.inputs,
            roots: Vec::new(),
            uniform_bytes: 0,
            rows_bytes: 0,
            footprint: Footprint::default(),
            constants: constants(line).map(|c| Rc::downgrade(&c)).collect(),
        };
        for (root, &home) in line.roots.iter().zip(&program.roots) {
            plan.roots.push(Binding {
                place: homes.tensors[home].expect("a root is computed or a leaf"),
                offset: 0,
                bytes: stored_bytes(&line.nodes[*root].node.shape, limits),
            });
        }
        for ((task, lowered), scratch) in program.tasks.into_iter().zip(lowered).zip(homes.scratch)
        {
            let first = plan.launches.len();
            let rows_at = plan.rows_bytes;
            let rows = task.step.rows().map_or(0, |rows| 4 * rows.len() as u64);
            plan.rows_bytes += rows.next_multiple_of(ALIGNMENT);
            for dispatch in lowered.dispatches {
                let bindings = dispatch.bindings.iter().map(|binding| {
                    let tensor = |home: usize, shape: &Shape| {
                        let place = homes.tensors[home].expect("operands are computed first");
                        (place, stored_bytes(shape, limits))
                    };
                    let (place, bytes) = match binding.buffer {
                        step::Buffer::Operand(i) => {
                            tensor(task.operands[i], &task.step.operands[i])
                        }
                        step::Buffer::Output => tensor(task.output, &task.step.output),
                        step::Buffer::Scratch(i) => {
                            (Place::Slot(scratch[i]), lowered.scratch_bytes[i])
                        }
                        step::Buffer::Rows => (Place::Rows, rows),
                    };
                    let base = if place == Place::Rows { rows_at } else { 0 };
                    let part = binding.bytes.clone().unwrap_or(0..bytes);
                    Binding {
                        place,
                        offset: base + part.start,
                        bytes: part.end - part.start,
                    }
                });
                let bindings: Vec<_> = bindings.collect();
                if let Some(large) = bindings.iter().find(|b| b.bytes > limits.binding_bytes) {
                    return Err(too_large(
                        "a tensor of this job",
                        large.bytes,
                        limits.binding_bytes,
                    ));
                }
                let start = plan.uniform_bytes;
                let words = 4 * dispatch.params.len() as u64;
                plan.uniform_bytes += words.max(1).next_multiple_of(ALIGNMENT);
                plan.launches.push(Launch {
                    dispatch,
                    bindings,
                    block: start..plan.uniform_bytes,
                });
            }
            plan.stages.push(Stage {
                cost: Cost::of(&task.step, limits.storage),
                task,
                launches: first..plan.launches.len(),
                rows_at,
            });
        }
        plan.batches = batches(&plan.stages, limits);
        plan.footprint = plan.measure(line, limits);
        Ok(plan)
    }

    /// Whether all the constants it refers to are still there.
    pub fn is_alive(&self) -> bool {
        self.constants
            .iter()
            .all(|constant| constant.strong_count() > 0)
    }

    /// The uniforms of a run: the launches' blocks with this graph's scalars.
    pub fn uniforms(&self, line: &Line) -> Vec<u8> {
        let mut bytes = vec![0; self.uniform_bytes as usize];
        for stage in &self.stages {
            let scalars =
                stage
                    .task
                    .nodes
                    .iter()
                    .flat_map(|&at| match &*line.nodes[at].node.content() {
                        Content::Op { op, .. } => op.scalars(),
                        _ => Vec::new(),
                    });
            let scalars: Vec<f32> = scalars.collect();
            for launch in &self.launches[stage.launches.clone()] {
                let block = &mut bytes[launch.block.start as usize..];
                for (word, to) in launch.dispatch.params.iter().zip(block.chunks_exact_mut(4)) {
                    to.copy_from_slice(&word.to_le_bytes());
                }
                if let Some(at) = launch.dispatch.scalars_at {
                    for (scalar, to) in scalars.iter().zip(block.chunks_exact_mut(4).skip(at)) {
                        to.copy_from_slice(&scalar.to_le_bytes());
                    }
                }
            }
        }
        bytes
    }

    /// The rows of a run.
    pub fn rows(&self, line: &Line) -> Vec<u8> {
        let mut bytes = vec![0; self.rows_bytes as usize];
        for stage in &self.stages {
            let Content::Op {
                op: crate::engine::Op::Gather(rows),
                ..
            } = &*line.nodes[stage.task.nodes[0]].node.content()
            else {
                continue;
            };
            let words = bytes[stage.rows_at as usize..].chunks_exact_mut(4);
            for (row, to) in rows.0.iter().zip(words) {
                to.copy_from_slice(&row.to_le_bytes());
            }
        }
        bytes
    }

    fn measure(&self, line: &Line, limits: &Limits) -> Footprint {
        let outputs: u64 = self.roots.iter().map(|root| root.bytes).sum();
        let slots: u64 = self.slots.iter().sum();
        let bytes = |at: &usize| stored_bytes(&line.nodes[*at].node.shape, limits);
        let all = 0..line.nodes.len();
        let is_constant =
            |at: &usize| matches!(&*line.nodes[*at].node.content(), Content::Constant(_));
        Footprint {
            constant_bytes: all.clone().filter(is_constant).map(|at| bytes(&at)).sum(),
            intermediate_bytes: slots + outputs + self.uniform_bytes + self.rows_bytes,
            largest_bytes: all.map(|at| bytes(&at)).max().unwrap_or(0),
        }
    }
}

/// Bytes of a tensor as it is stored.
pub fn stored_bytes(shape: &Shape, limits: &Limits) -> u64 {
    quads(shape) as u64 * limits.storage.quad_bytes()
}

/// The footprint of a graph that cannot be planned: as if nothing shared memory.
pub fn unplanned(line: &Line, limits: &Limits) -> Footprint {
    let mut footprint = Footprint::default();
    for entry in &line.nodes {
        let bytes = stored_bytes(&entry.node.shape, limits);
        match &*entry.node.content() {
            Content::Constant(_) => footprint.constant_bytes += bytes,
            _ => footprint.intermediate_bytes += bytes,
        }
        footprint.largest_bytes = footprint.largest_bytes.max(bytes);
    }
    footprint
}

/// Refuses what no buffer or binding of the device can hold.
pub fn too_large(what: &str, needed: u64, available: u64) -> Error {
    Error::Memory {
        what: what.to_owned(),
        place: "a buffer of the GPU".to_owned(),
        needed_bytes: needed,
        available_bytes: available,
        advice: "make the picture or the batch smaller".to_owned(),
    }
}

fn constants(line: &Line) -> impl Iterator<Item = Rc<Constant>> {
    line.nodes
        .iter()
        .filter_map(|entry| match &*entry.node.content() {
            Content::Constant(constant) => Some(constant.clone()),
            _ => None,
        })
}

/// Groups stages so that none of the groups works for long.
fn batches(stages: &[Stage], limits: &Limits) -> Vec<Range<usize>> {
    let most = if limits.software {
        SOFTWARE_BATCH
    } else {
        GPU_BATCH
    };
    let mut batches = Vec::new();
    let (mut first, mut weight) = (0, 0);
    for (at, stage) in stages.iter().enumerate() {
        weight += stage.cost.weight();
        if weight >= most {
            batches.push(first..at + 1);
            (first, weight) = (at + 1, 0);
        }
    }
    // The last one is there even when it is empty: results are copied out behind it.
    batches.push(first..stages.len());
    batches
}

/// Where a program's tensors lie.
struct Homes {
    /// The place of each node's elements, when they are in memory at all.
    tensors: Vec<Option<Place>>,
    /// The slots of each task's scratch.
    scratch: Vec<Vec<usize>>,
    inputs: Vec<(usize, usize)>,
    slots: Vec<u64>,
}

impl Homes {
    fn new<'a>(
        line: &Line,
        program: &Program,
        scratch: impl Iterator<Item = &'a [u64]>,
        limits: &Limits,
        share: bool,
    ) -> Self {
        let mut tensors = vec![None; line.nodes.len()];
        let mut needs: Vec<Need> = Vec::new();
        // The need that stands for each node's elements.
        let mut owners = vec![None; line.nodes.len()];
        let mut inputs = Vec::new();
        let need = |bytes: u64, first: usize, last: usize| Need { bytes, first, last };
        for (at, entry) in line.nodes.iter().enumerate() {
            match &*entry.node.content() {
                Content::Constant(_) => tensors[at] = Some(Place::Constant(at)),
                Content::Host(_) | Content::Stored(_) => {
                    owners[at] = Some(needs.len());
                    inputs.push((at, needs.len()));
                    needs.push(need(stored_bytes(&entry.node.shape, limits), 0, 0));
                }
                Content::Op { .. } => {}
            }
        }
        let mut scratch_needs = Vec::new();
        for ((time, task), scratch) in program.tasks.iter().enumerate().zip(scratch) {
            for owner in task.operands.iter().filter_map(|&home| owners[home]) {
                needs[owner].last = time;
            }
            owners[task.output] = Some(needs.len());
            needs.push(need(stored_bytes(&task.step.output, limits), time, time));
            let first = needs.len();
            needs.extend(scratch.iter().map(|&bytes| need(bytes, time, time)));
            scratch_needs.push(first..needs.len());
        }
        for owner in program.roots.iter().filter_map(|&home| owners[home]) {
            needs[owner].last = program.tasks.len();
        }
        let layout = if share {
            Layout::shared(&needs)
        } else {
            Layout::apart(&needs)
        };
        for (tensor, owner) in tensors.iter_mut().zip(&owners) {
            if let Some(owner) = owner {
                *tensor = Some(Place::Slot(layout.places[*owner]));
            }
        }
        Self {
            tensors,
            scratch: scratch_needs
                .into_iter()
                .map(|range| layout.places[range].to_vec())
                .collect(),
            inputs: inputs
                .into_iter()
                .map(|(at, owner)| (at, layout.places[owner]))
                .collect(),
            slots: layout.slots,
        }
    }
}
