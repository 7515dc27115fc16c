//! The lazy engine: our own WGSL kernels on any GPU that wgpu knows.
//!
//! An operation only adds a node to a [`graph`]. When elements are asked for, the graph in front of them is hashed;
//! the plan kept under that hash runs again, or one is made: [`fuse`] folds operations into steps, [`kernels`] lowers
//! them to launches, [`memory`] gives every tensor a slot by its lifetime, [`plan`] puts it together without touching
//! the device, and [`replay`] records and runs it. A second run of the same structure writes inputs and scalars, nothing else.

mod adapter;
mod buffers;
mod cost;
mod elements;
mod fuse;
mod gpu;
mod graph;
#[cfg_attr(target_arch = "wasm32", path = "host_web.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "host_native.rs")]
mod host;
pub mod kernels;
mod memory;
mod plan;
mod prepare;
mod profile;
mod replay;
pub mod step;
mod upload;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
};

use crate::{
    engine::{
        Counters, DeviceInfo, Engine, Footprint, LocalFuture, Op, Precision, Preparation, Shape,
        StepTime, Upload, Value,
    },
    error::{Error, Result},
};
use buffers::{Buffer, Pool, Use};
use gpu::Gpu;
use graph::{Constant, Content, Line, Node};
use plan::{Passes, Plan, stored_bytes};
use prepare::Compiling;
use replay::{Arena, Recording};
use step::Limits;

/// Plans that are kept. A job has about ten: text, U-Net with and without taps, sampler, decoder.
const PLANS: usize = 64;

/// How to open a device.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How tensors are stored.
    pub precision: Precision,
    /// Do without `shader-f16` even where it is offered.
    pub packed: bool,
    /// Choose kernels as for a real GPU, even where a processor plays one. On only to compare against.
    pub tiled: bool,
    /// Bytes that jobs may take; what the device has when not given.
    pub memory_bytes: Option<u64>,
    /// Largest part of a buffer that a kernel may see; what the device allows when not given. Tests set it low.
    pub binding_bytes: Option<u64>,
    /// Fold operations into each other, and let tensors share memory. Off only to compare against.
    pub optimise: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            precision: Precision::Auto,
            packed: false,
            tiled: false,
            memory_bytes: None,
            binding_bytes: None,
            optimise: true,
        }
    }
}

/// The engine.
pub struct Wgsl {
    /// Constants are written after the call that began them: they hold on to their engine.
    me: Weak<Self>,
    info: DeviceInfo,
    limits: Limits,
    passes: Passes,
    /// None when planning without a device.
    gpu: Option<Gpu>,
    arena: Arena,
    pool: Rc<Pool>,
    plans: RefCell<HashMap<u128, Kept>>,
    /// Counts runs, to know which plan rests longest.
    clock: Cell<u64>,
    next_id: Cell<u64>,
    /// Raised when a constant is dropped.
    dropped: Rc<Cell<bool>>,
}

/// A plan that is kept.
struct Kept {
    recording: Rc<Recording>,
    last_used: u64,
}

/// Opens the best GPU there is.
///
/// # Errors
/// When there is none.
pub async fn open(options: Options) -> Result<Rc<dyn Engine>> {
    let (gpu, mut info) = adapter::open(options.precision, options.packed).await?;
    info.memory_bytes = options.memory_bytes.or(info.memory_bytes);
    let mut limits = gpu.limits.clone();
    limits.binding_bytes = options
        .binding_bytes
        .map_or(limits.binding_bytes, |most| most.min(limits.binding_bytes));
    limits.software &= !options.tiled;
    let engine: Rc<dyn Engine> = Wgsl::new(Some(gpu), info, limits, options);
    Ok(engine)
}

/// An engine that plans and says what jobs would take, for a device of these limits; it computes nothing and stores nothing.
pub fn planner(limits: Limits) -> Rc<dyn Engine> {
    let info = DeviceInfo {
        name: "none".to_owned(),
        api: "planner",
        dtype: limits.storage.dtype(),
        software: limits.software,
        memory_bytes: None,
        details: Vec::new(),
    };
    Wgsl::new(None, info, limits, Options::default())
}

impl Wgsl {
    fn new(gpu: Option<Gpu>, info: DeviceInfo, limits: Limits, options: Options) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            info,
            limits,
            passes: Passes {
                fuse: options.optimise,
                share: options.optimise,
            },
            gpu,
            arena: Arena::default(),
            pool: Pool::new(Use::Storage),
            plans: RefCell::default(),
            clock: Cell::new(0),
            next_id: Cell::new(0),
            dropped: Rc::default(),
        })
    }

    fn gpu(&self) -> Result<&Gpu> {
        let advice = "this device only plans; open one that computes";
        self.gpu
            .as_ref()
            .ok_or_else(|| Error::NoDevice(advice.to_owned()))
    }

    /// A constant around a buffer.
    fn constant(&self, buffer: Option<Rc<Buffer>>) -> Rc<Constant> {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        Rc::new(Constant {
            id,
            buffer,
            dropped: self.dropped.clone(),
        })
    }

    /// What is to be done for these nodes; nothing when all are computed. The plan is kept when the same is likely to be
    /// asked for again.
    fn job(&self, nodes: &[Rc<Node>], keep_plan: bool) -> Result<Option<Job<'_>>> {
        let pending = pending(nodes);
        if pending.is_empty() {
            return Ok(None);
        }
        let gpu = self.gpu()?;
        let line = Line::up_to(&pending);
        let recording = self.recording(&line, keep_plan)?;
        let plan = &recording.plan;
        if self.arena.growth(&plan.slots) > 0 {
            self.unbind();
        }
        let outputs: u64 = plan.roots.iter().map(|root| root.bytes).sum();
        let more = || self.arena.growth(&plan.slots) + outputs;
        self.make_room("this job", plan.footprint.intermediate_bytes, more)?;
        Ok(Some(Job {
            gpu,
            pending,
            line,
            recording,
        }))
    }

    /// Computes the nodes that are not computed yet.
    fn run(&self, nodes: &[Rc<Node>], keep_plan: bool) -> Result<()> {
        if let Some(job) = self.job(nodes, keep_plan)? {
            let (arena, pool) = (&self.arena, &self.pool);
            let outputs = job.recording.run(job.gpu, &job.line, arena, pool)?;
            job.settle(outputs);
        }
        Ok(())
    }

    /// The plan of a graph, kept or new.
    fn recording(&self, line: &Line, keep: bool) -> Result<Rc<Recording>> {
        self.sweep();
        let now = self.clock.get() + 1;
        self.clock.set(now);
        let key = line.key();
        if let Some(kept) = self.plans.borrow_mut().get_mut(&key) {
            kept.last_used = now;
            return Ok(kept.recording.clone());
        }
        let recording = Rc::new(Recording::new(Plan::new(line, &self.limits, self.passes)?));
        let plan = &recording.plan;
        log::debug!(
            "planned {} nodes as {} launches in {} slots, {} bytes",
            line.nodes.len(),
            plan.launches.len(),
            plan.slots.len(),
            plan.footprint.intermediate_bytes
        );
        if let Some(gpu) = &self.gpu {
            gpu.tally.count(|counters| counters.plans += 1);
        }
        if keep {
            let mut plans = self.plans.borrow_mut();
            if plans.len() >= PLANS {
                let resting = plans.iter().min_by_key(|(_, kept)| kept.last_used);
                let resting = resting.map(|(key, _)| *key);
                resting.and_then(|key| plans.remove(&key));
            }
            let kept = Kept {
                recording: recording.clone(),
                last_used: now,
            };
            plans.insert(key, kept);
        }
        Ok(recording)
    }

    /// Drops the plans whose constants are gone: they would hold on to the constants' memory.
    fn sweep(&self) {
        if self.dropped.take() {
            let mut plans = self.plans.borrow_mut();
            plans.retain(|_, kept| kept.recording.plan.is_alive());
        }
    }

    /// Lets go of what plans recorded about the arena.
    fn unbind(&self) {
        for kept in self.plans.borrow().values() {
            kept.recording.unbind();
        }
    }

    /// Refuses what does not fit in the device's memory, where that is known; `more` is what would be allocated. What
    /// waits to be used again makes room first.
    fn make_room(&self, what: &str, needed_bytes: u64, more: impl Fn() -> u64) -> Result<()> {
        let (Some(gpu), Some(memory)) = (&self.gpu, self.info.memory_bytes) else {
            return Ok(());
        };
        let taken = || gpu.tally.counters().allocated_bytes;
        if taken() + more() > memory {
            self.sweep();
            self.pool.clear(&gpu.tally);
            self.unbind();
            self.arena.clear();
        }
        if taken() + more() <= memory {
            return Ok(());
        }
        Err(Error::Memory {
            what: what.to_owned(),
            place: self.info.name.clone(),
            needed_bytes,
            available_bytes: memory.saturating_sub(taken()),
            advice: "make the picture or the batch smaller, or use --device cpu".to_owned(),
        })
    }
}

/// Those of the nodes that are not computed yet, each once.
fn pending(nodes: &[Rc<Node>]) -> Vec<Rc<Node>> {
    let mut pending: Vec<Rc<Node>> = Vec::new();
    for node in nodes {
        let is_new = !pending.iter().any(|other| Rc::ptr_eq(node, other));
        if is_new && matches!(&*node.content(), Content::Op { .. }) {
            pending.push(node.clone());
        }
    }
    pending
}

/// Something that is about to be computed.
struct Job<'a> {
    gpu: &'a Gpu,
    pending: Vec<Rc<Node>>,
    line: Line,
    recording: Rc<Recording>,
}

impl Job<'_> {
    /// Hands the results to the nodes that waited for them.
    fn settle(self, outputs: Vec<Buffer>) {
        for (node, buffer) in self.pending.iter().zip(outputs) {
            node.settle(Content::Stored(Rc::new(buffer)));
        }
    }
}

impl Engine for Wgsl {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn upload(&self, shape: &Shape) -> Result<Box<dyn Upload>> {
        self.sweep();
        let me = self
            .me
            .upgrade()
            .expect("a method runs on an engine that is held");
        Ok(Box::new(upload::Piecewise::new(me, shape)?))
    }

    fn input(&self, shape: &Shape, elements: Vec<f32>) -> Value {
        Node::new(shape, Content::Host(elements.into()))
    }

    fn apply(&self, op: &Op, inputs: &[(&Value, &Shape)], shape: &Shape) -> Value {
        let inputs = inputs.iter().map(|(value, _)| Node::of(value)).collect();
        let op = op.clone();
        Node::new(shape, Content::Op { op, inputs })
    }

    fn eval(&self, values: &[&Value]) -> Result<()> {
        let nodes: Vec<_> = values.iter().map(|value| Node::of(value)).collect();
        self.run(&nodes, true)
    }

    fn keep(&self, value: &Value) -> Result<Value> {
        let node = Node::of(value);
        if let Content::Constant(_) = &*node.content() {
            return Ok(value.clone());
        }
        if self.gpu.is_none() {
            return Ok(Node::new(
                &node.shape,
                Content::Constant(self.constant(None)),
            ));
        }
        // Weights are re-laid once: plans for that would hold on to what they came from.
        self.run(std::slice::from_ref(&node), false)?;
        let buffer = match &*node.content() {
            Content::Stored(buffer) => buffer.clone(),
            Content::Host(elements) => {
                let mut upload = self.upload(&node.shape)?;
                upload.write(elements)?;
                return upload.finish();
            }
            _ => unreachable!("a node that ran is stored"),
        };
        Ok(Node::new(
            &node.shape,
            Content::Constant(self.constant(Some(buffer))),
        ))
    }

    fn read<'a>(&'a self, value: &'a Value) -> LocalFuture<'a, Result<Vec<f32>>> {
        Box::pin(async move {
            let node = Node::of(value);
            self.run(std::slice::from_ref(&node), true)?;
            let buffer = match &*node.content() {
                Content::Host(elements) => return Ok(elements.to_vec()),
                Content::Stored(buffer) => Some(buffer.clone()),
                Content::Constant(constant) => constant.buffer.clone(),
                Content::Op { .. } => unreachable!("a node that ran is stored"),
            };
            let gpu = self.gpu()?;
            let buffer = buffer.expect("a constant of a device has a buffer");
            let bytes = stored_bytes(&node.shape, &self.limits);
            let bytes = gpu.download(buffer.raw(), bytes).await?;
            Ok(elements::decode(self.limits.storage, &node.shape, &bytes))
        })
    }

    fn footprint(&self, values: &[&Value]) -> Footprint {
        let nodes: Vec<_> = values.iter().map(|value| Node::of(value)).collect();
        let line = Line::up_to(&pending(&nodes));
        match self.recording(&line, true) {
            Ok(recording) => recording.plan.footprint,
            // What no device could hold has no plan; its size is all that can be said.
            Err(_) => plan::unplanned(&line, &self.limits),
        }
    }

    fn counters(&self) -> Counters {
        self.gpu
            .as_ref()
            .map_or_else(Counters::default, |gpu| gpu.tally.counters())
    }

    fn finish(&self) -> LocalFuture<'_, Result<()>> {
        Box::pin(async {
            match &self.gpu {
                Some(gpu) => gpu.finish().await,
                None => Ok(()),
            }
        })
    }

    fn lose(&self) {
        if let Some(gpu) = &self.gpu {
            gpu.device.destroy();
        }
    }

    fn planner(&self) -> Rc<dyn Engine> {
        planner(self.limits.clone())
    }

    fn prepare(&self, values: &[&Value]) -> Result<Option<Box<dyn Preparation>>> {
        let (Some(gpu), Some(me)) = (&self.gpu, self.me.upgrade()) else {
            return Ok(None);
        };
        let nodes: Vec<_> = values.iter().map(|value| Node::of(value)).collect();
        let pending = pending(&nodes);
        if pending.is_empty() {
            return Ok(None);
        }
        let recording = self.recording(&Line::up_to(&pending), true)?;
        let dispatches = recording.plan.launches.iter();
        let missing = gpu.missing(dispatches.map(|launch| &launch.dispatch));
        Ok(Some(Box::new(Compiling::new(me, missing))))
    }

    fn profile<'a>(&'a self, values: &'a [&'a Value]) -> LocalFuture<'a, Result<Vec<StepTime>>> {
        Box::pin(async move {
            let nodes: Vec<_> = values.iter().map(|value| Node::of(value)).collect();
            if self.gpu.is_none() {
                let recording = self.recording(&Line::up_to(&nodes), true)?;
                return Ok(profile::untimed(&recording.plan.stages));
            }
            let Some(job) = self.job(&nodes, true)? else {
                return Ok(Vec::new());
            };
            let (arena, pool) = (&self.arena, &self.pool);
            let (outputs, times) =
                profile::run(job.gpu, &job.recording, &job.line, arena, pool).await?;
            job.settle(outputs);
            Ok(times)
        })
    }
}
