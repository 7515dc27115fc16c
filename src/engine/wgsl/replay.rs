//! Runs plans on a device: what is created once, and what each run writes anew.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use super::{
    buffers::{Buffer, Pool, Use},
    elements,
    gpu::{Gpu, Pipeline},
    graph::{Content, Line},
    plan::{Launch, Place, Plan},
};
use crate::error::Result;

/// The slots that all plans of a device share: they run one after the other.
#[derive(Default)]
pub struct Arena {
    slots: RefCell<Vec<Rc<Buffer>>>,
    /// Changes whenever a slot does; what was recorded before refers to buffers that are gone.
    generation: Cell<u64>,
}

impl Arena {
    /// Bytes by which the slots must grow to hold these, both the largest first.
    pub fn growth(&self, needed: &[u64]) -> u64 {
        let slots = self.slots.borrow();
        let grown = needed.iter().enumerate().map(|(at, &bytes)| {
            let there = slots.get(at).map_or(0, |slot| slot.raw().size());
            bytes.saturating_sub(there)
        });
        grown.sum()
    }

    /// Makes every slot large enough.
    fn fit(&self, gpu: &Gpu, needed: &[u64]) -> Result<()> {
        if self.growth(needed) == 0 {
            return Ok(());
        }
        self.generation.set(self.generation.get() + 1);
        let mut slots = self.slots.borrow_mut();
        let count = slots.len().max(needed.len());
        let needed = needed.iter().copied().chain(std::iter::repeat(0));
        let needed: Vec<u64> = needed.take(count).collect();
        let there = slots.drain(..).map(Some).chain(std::iter::repeat(None));
        let kept: Vec<_> = there
            .zip(&needed)
            .map(|(slot, &bytes)| slot.filter(|slot| slot.raw().size() >= bytes))
            .collect();
        // What was too small is gone before anything larger takes its place.
        gpu.settle()?;
        slots.extend(kept.into_iter().zip(needed).map(|(slot, bytes)| {
            slot.unwrap_or_else(|| Rc::new(Buffer::new(gpu, bytes, Use::Storage)))
        }));
        drop(slots);
        // A slot that the device refused must not be used again.
        gpu.check().inspect_err(|_| self.clear())
    }

    /// Lets go of all slots.
    pub fn clear(&self) {
        self.generation.set(self.generation.get() + 1);
        self.slots.borrow_mut().clear();
    }
}

/// A plan with what a device needs to run it again.
pub struct Recording {
    pub plan: Plan,
    pipelines: OnceCell<Vec<Pipeline>>,
    uniforms: OnceCell<Uniforms>,
    rows: OnceCell<Buffer>,
    groups: RefCell<Groups>,
}

struct Uniforms {
    buffer: Buffer,
    /// What was last written to it.
    written: RefCell<Vec<u8>>,
}

/// The launches' bind groups, and the arena's generation that they refer to.
#[derive(Default)]
struct Groups {
    generation: u64,
    groups: Vec<wgpu::BindGroup>,
}

impl Recording {
    /// A plan that has not run yet.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            pipelines: OnceCell::new(),
            uniforms: OnceCell::new(),
            rows: OnceCell::new(),
            groups: RefCell::default(),
        }
    }

    /// Lets go of the slots it refers to, so that they can grow.
    pub fn unbind(&self) {
        self.groups.take();
    }

    /// Makes everything ready to run this graph: buffers, pipelines, uniforms, inputs.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    pub fn prepare(&self, gpu: &Gpu, line: &Line, arena: &Arena) -> Result<()> {
        arena.fit(gpu, &self.plan.slots)?;
        self.write_uniforms(gpu, line);
        if self.plan.rows_bytes > 0 {
            let rows = self
                .rows
                .get_or_init(|| Buffer::new(gpu, self.plan.rows_bytes, Use::Storage));
            gpu.queue.write_buffer(rows.raw(), 0, &self.plan.rows(line));
        }
        self.pipelines.get_or_init(|| {
            let launches = self.plan.launches.iter();
            launches
                .map(|launch| gpu.pipeline(&launch.dispatch))
                .collect()
        });
        self.bind(gpu, line, arena);
        let slots = arena.slots.borrow();
        for &(at, slot) in &self.plan.inputs {
            let node = &line.nodes[at].node;
            if let Content::Host(numbers) = &*node.content() {
                let mut bytes = Vec::new();
                elements::encode(gpu.limits.storage, node.shape.last(), numbers, &mut bytes);
                gpu.queue.write_buffer(slots[slot].raw(), 0, &bytes);
            }
        }
        gpu.check()
    }

    /// Begins a run: copies earlier results to where this plan reads them.
    pub fn copy_inputs(&self, line: &Line, arena: &Arena, encoder: &mut wgpu::CommandEncoder) {
        let slots = arena.slots.borrow();
        for &(at, slot) in &self.plan.inputs {
            if let Content::Stored(source) = &*line.nodes[at].node.content() {
                let bytes = source.raw().size();
                encoder.copy_buffer_to_buffer(source.raw(), 0, slots[slot].raw(), 0, bytes);
            }
        }
    }

    /// Records the launches of a number of stages.
    pub fn record(
        &self,
        gpu: &Gpu,
        launches: std::ops::Range<usize>,
        pass: &mut wgpu::ComputePass<'_>,
    ) {
        let pipelines = self
            .pipelines
            .get()
            .expect("prepared before it is recorded");
        let groups = self.groups.borrow();
        gpu.tally
            .count(|counters| counters.dispatches += launches.len() as u64);
        for at in launches {
            let [x, y, z] = self.plan.launches[at].dispatch.workgroups;
            pass.set_pipeline(&pipelines[at].code);
            pass.set_bind_group(0, &groups.groups[at], &[]);
            pass.dispatch_workgroups(x, y, z);
        }
    }

    /// Runs the plan and hands over its roots' elements, in buffers of their own.
    ///
    /// # Errors
    /// When the device has no room or is lost.
    pub fn run(
        &self,
        gpu: &Gpu,
        line: &Line,
        arena: &Arena,
        pool: &Rc<Pool>,
    ) -> Result<Vec<Buffer>> {
        self.prepare(gpu, line, arena)?;
        let mut encoder = gpu.encoder();
        self.copy_inputs(line, arena, &mut encoder);
        for (number, batch) in self.plan.batches.iter().enumerate() {
            if number > 0 {
                gpu.submit(std::mem::replace(&mut encoder, gpu.encoder()));
            }
            let stages = &self.plan.stages[batch.clone()];
            if let [first, .., last] | [first @ last] = stages {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.record(gpu, first.launches.start..last.launches.end, &mut pass);
            }
        }
        let outputs = self.copy_roots(gpu, line, arena, pool, &mut encoder)?;
        gpu.submit(encoder);
        gpu.check()?;
        Ok(outputs)
    }

    /// Ends a run: copies the roots out of the slots, which the next run needs.
    pub fn copy_roots(
        &self,
        gpu: &Gpu,
        line: &Line,
        arena: &Arena,
        pool: &Rc<Pool>,
        encoder: &mut wgpu::CommandEncoder,
    ) -> Result<Vec<Buffer>> {
        let roots = self.plan.roots.iter().map(|root| {
            let output = pool.get(gpu, root.bytes);
            let source = self.buffer(root.place, line, arena);
            encoder.copy_buffer_to_buffer(source.raw(), 0, output.raw(), 0, root.bytes);
            output
        });
        let mut outputs: Vec<_> = roots.collect();
        // A buffer that the device refused must not wait to be used again.
        gpu.check()
            .inspect_err(|_| outputs.iter_mut().for_each(Buffer::leave))?;
        Ok(outputs)
    }

    fn write_uniforms(&self, gpu: &Gpu, line: &Line) {
        if self.plan.uniform_bytes == 0 {
            return;
        }
        let uniforms = self.uniforms.get_or_init(|| Uniforms {
            buffer: Buffer::new(gpu, self.plan.uniform_bytes, Use::Uniform),
            written: RefCell::default(),
        });
        let bytes = self.plan.uniforms(line);
        if *uniforms.written.borrow() != bytes {
            gpu.queue.write_buffer(uniforms.buffer.raw(), 0, &bytes);
            uniforms.written.replace(bytes);
        }
    }

    fn bind(&self, gpu: &Gpu, line: &Line, arena: &Arena) {
        let generation = arena.generation.get();
        let mut bound = self.groups.borrow_mut();
        if bound.generation == generation && bound.groups.len() == self.plan.launches.len() {
            return;
        }
        let pipelines = self.pipelines.get().expect("made before they are bound");
        let launches = self.plan.launches.iter().zip(pipelines);
        let groups =
            launches.map(|(launch, pipeline)| self.group(gpu, line, arena, launch, pipeline));
        *bound = Groups {
            generation,
            groups: groups.collect(),
        };
    }

    fn group(
        &self,
        gpu: &Gpu,
        line: &Line,
        arena: &Arena,
        launch: &Launch,
        pipeline: &Pipeline,
    ) -> wgpu::BindGroup {
        let places = launch
            .bindings
            .iter()
            .map(|binding| self.buffer(binding.place, line, arena));
        let buffers: Vec<_> = places.collect();
        let uniforms = self.uniforms.get().expect("written before they are bound");
        let storage = launch.bindings.iter().zip(&buffers);
        let storage =
            storage.map(|(binding, buffer)| (buffer.raw(), binding.offset, binding.bytes));
        let block = &launch.block;
        let uniform = (uniforms.buffer.raw(), block.start, block.end - block.start);
        let entries = storage.chain([uniform]).enumerate();
        let entries = entries.map(|(at, (buffer, offset, bytes))| wgpu::BindGroupEntry {
            binding: at as u32,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset,
                size: wgpu::BufferSize::new(bytes),
            }),
        });
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.group,
            entries: &entries.collect::<Vec<_>>(),
        })
    }

    fn buffer<'a>(&'a self, place: Place, line: &Line, arena: &Arena) -> Held<'a> {
        match place {
            Place::Slot(slot) => Held::Shared(arena.slots.borrow()[slot].clone()),
            Place::Rows => Held::Own(self.rows.get().expect("written before they are bound")),
            Place::Constant(at) => match &*line.nodes[at].node.content() {
                Content::Constant(constant) => {
                    let buffer = constant.buffer.clone();
                    Held::Shared(buffer.expect("a constant of a device has a buffer"))
                }
                _ => unreachable!("the line has the structure that was planned"),
            },
        }
    }
}

/// A buffer that is the recording's own or belongs to others as well.
enum Held<'a> {
    Own(&'a Buffer),
    Shared(Rc<Buffer>),
}

impl Held<'_> {
    fn raw(&self) -> &wgpu::Buffer {
        match self {
            Self::Own(buffer) => buffer.raw(),
            Self::Shared(buffer) => buffer.raw(),
        }
    }
}
