//! An open device: its pipelines, what goes to it and comes back, and what happens when it fails.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::{Arc, Mutex},
};

use super::{
    buffers::{Pool, Tally, Use},
    kernels::Shader,
    step::{Dispatch, Limits},
};
use crate::error::{Error, Result};

/// What the device reported since it was last asked; its callbacks may come from another thread.
type Faults = Arc<Mutex<Option<Fault>>>;

/// Something that the device reported outside of any call.
enum Fault {
    Lost(String),
    Memory,
    Other(String),
}

/// Names a pipeline: everything that its code depends on. Constants are compared by their bits.
#[derive(PartialEq, Eq, Hash)]
struct PipelineKey {
    shader: &'static str,
    constants: Vec<(&'static str, u64)>,
}

impl PipelineKey {
    fn of(dispatch: &Dispatch) -> Self {
        let constants = dispatch.constants.iter();
        Self {
            shader: dispatch.shader,
            constants: constants
                .map(|(name, value)| (*name, value.to_bits()))
                .collect(),
        }
    }
}

/// An open device.
pub struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub limits: Limits,
    /// Nanoseconds of a timestamp's tick, when the adapter has timestamps.
    pub timestamp_nanos: Option<f32>,
    pub tally: Rc<Tally>,
    staging: Rc<Pool>,
    faults: Faults,
    modules: RefCell<HashMap<&'static str, Module>>,
    pipelines: RefCell<HashMap<PipelineKey, Pipeline>>,
}

/// A shader on the device.
struct Module {
    code: wgpu::ShaderModule,
    group: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
}

/// A compiled kernel and what its bind groups look like. Cloning is cheap.
#[derive(Clone)]
pub struct Pipeline {
    pub code: wgpu::ComputePipeline,
    pub group: wgpu::BindGroupLayout,
}

/// Begins to collect what the device reports outside of calls.
fn listen(device: &wgpu::Device) -> Faults {
    let faults = Faults::default();
    let lost = faults.clone();
    // When the device was dropped, nobody asks any more.
    device.set_device_lost_callback(move |reason, message| {
        let message = if message.is_empty() {
            format!("{reason:?}").to_lowercase()
        } else {
            message
        };
        note(&lost, Fault::Lost(message));
    });
    let failed = faults.clone();
    device.on_uncaptured_error(Arc::new(move |error| {
        let fault = match error {
            wgpu::Error::OutOfMemory { .. } => Fault::Memory,
            wgpu::Error::Validation { description, .. }
            | wgpu::Error::Internal { description, .. } => Fault::Other(description),
        };
        note(&failed, fault);
    }));
    faults
}

/// Keeps the first fault: those that follow are its consequences.
fn note(faults: &Faults, fault: Fault) {
    if let Ok(mut first) = faults.lock() {
        first.get_or_insert(fault);
    }
}

impl Gpu {
    /// A device that was opened with these limits.
    pub fn new(
        device: wgpu::Device,
        queue: wgpu::Queue,
        limits: Limits,
        has_timestamps: bool,
    ) -> Self {
        let faults = listen(&device);
        let timestamp_nanos = has_timestamps.then(|| queue.get_timestamp_period());
        Self {
            device,
            queue,
            limits,
            timestamp_nanos,
            tally: Rc::default(),
            staging: Pool::new(Use::Staging),
            faults,
            modules: RefCell::default(),
            pipelines: RefCell::default(),
        }
    }

    /// What the device reported since it was last asked. A loss stays reported.
    pub fn check(&self) -> Result<()> {
        let Ok(mut faults) = self.faults.lock() else {
            return Err(Error::DeviceLost("its error handler failed".to_owned()));
        };
        let fault = faults.take();
        match fault {
            None => Ok(()),
            Some(Fault::Lost(message)) => {
                *faults = Some(Fault::Lost(message.clone()));
                Err(Error::DeviceLost(message))
            }
            Some(Fault::Memory) => {
                let taken = self.tally.counters().allocated_bytes;
                Err(Error::Memory {
                    what: "what is loaded, with what comes now,".to_owned(),
                    place: "the GPU".to_owned(),
                    needed_bytes: taken,
                    available_bytes: taken.saturating_sub(self.tally.last_bytes()),
                    advice: "make the picture or the batch smaller, or close other programs"
                        .to_owned(),
                })
            }
            Some(Fault::Other(description)) => Err(Error::DeviceLost(description)),
        }
    }

    /// One dispatch for each pipeline that these need and that was not compiled yet.
    pub fn missing<'a>(&self, dispatches: impl Iterator<Item = &'a Dispatch>) -> Vec<Dispatch> {
        let pipelines = self.pipelines.borrow();
        let mut seen = HashSet::new();
        let missing = dispatches.filter(|dispatch| {
            let key = PipelineKey::of(dispatch);
            !pipelines.contains_key(&key) && seen.insert(key)
        });
        missing.cloned().collect()
    }

    /// Compiles the pipeline of a dispatch, and waits until the device has done so. A browser compiles beside the program, and
    /// answers to an error scope when it is through with what was asked for inside.
    pub async fn compiled(&self, dispatch: &Dispatch) -> Result<()> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        self.pipeline(dispatch);
        if let Some(error) = scope.pop().await {
            note(&self.faults, Fault::Other(error.to_string()));
        }
        self.check()
    }

    /// The pipeline of a dispatch, compiled at its first use.
    pub fn pipeline(&self, dispatch: &Dispatch) -> Pipeline {
        let key = PipelineKey::of(dispatch);
        let mut pipelines = self.pipelines.borrow_mut();
        let pipeline = pipelines.entry(key).or_insert_with(|| {
            self.tally.count(|counters| counters.pipelines += 1);
            self.compile(dispatch)
        });
        pipeline.clone()
    }

    fn compile(&self, dispatch: &Dispatch) -> Pipeline {
        let mut modules = self.modules.borrow_mut();
        let module = modules.entry(dispatch.shader).or_insert_with(|| {
            let shader =
                Shader::find(dispatch.shader).expect("a launch names a shader that was built");
            self.load(shader)
        });
        let code = self
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(dispatch.shader),
                layout: Some(&module.layout),
                module: &module.code,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &dispatch.constants,
                    // The shaders write workgroup memory before they read it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
        Pipeline {
            code,
            group: module.group.clone(),
        }
    }

    fn load(&self, shader: &Shader) -> Module {
        let source = shader.source(self.limits.storage);
        let code = self
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(shader.name),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
        let storage = shader
            .writes
            .iter()
            .map(|writes| wgpu::BufferBindingType::Storage { read_only: !writes });
        let entries = storage.chain([wgpu::BufferBindingType::Uniform]);
        let entries = entries
            .enumerate()
            .map(|(at, ty)| wgpu::BindGroupLayoutEntry {
                binding: at as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            });
        let entries: Vec<_> = entries.collect();
        let group = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(shader.name),
                entries: &entries,
            });
        let layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(shader.name),
                bind_group_layouts: &[Some(&group)],
                ..Default::default()
            });
        Module {
            code,
            group,
            layout,
        }
    }

    /// Hands commands to the device.
    pub fn submit(&self, encoder: wgpu::CommandEncoder) {
        self.tally.count(|counters| counters.submissions += 1);
        self.queue.submit([encoder.finish()]);
    }

    /// Starts a list of commands.
    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None })
    }

    /// Lets the device finish what was submitted. A browser does so by itself, and this returns at once there.
    pub fn settle(&self) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        polled.map_err(|error| Error::DeviceLost(error.to_string()))?;
        self.check()
    }

    /// Waits until the device has done all that was submitted.
    pub async fn finish(&self) -> Result<()> {
        self.check()?;
        let (sender, receiver) = futures_channel::oneshot::channel();
        self.queue.on_submitted_work_done(move || {
            // The receiver is gone only when nobody waits any more.
            let _ = sender.send(());
        });
        self.settle()?;
        receiver
            .await
            .map_err(|_| Error::DeviceLost("a wait was dropped".to_owned()))?;
        self.check()
    }

    /// Brings the first `bytes` of a buffer to the host.
    pub async fn download(&self, source: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
        let mut staging = self.staging.get(self, bytes);
        // When nobody waits for the bytes any more, this stops half way, and a mapped buffer cannot be used again.
        staging.leave();
        self.check()?;
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(source, 0, staging.raw(), 0, bytes);
        self.submit(encoder);
        let (sender, receiver) = futures_channel::oneshot::channel();
        staging
            .raw()
            .map_async(wgpu::MapMode::Read, 0..bytes, move |mapped| {
                // The receiver is gone only when nobody waits for the bytes any more.
                let _ = sender.send(mapped);
            });
        self.settle()?;
        let mapped = receiver
            .await
            .map_err(|_| Error::DeviceLost("a read was dropped".to_owned()))?;
        self.check()?;
        mapped.map_err(|error| Error::DeviceLost(error.to_string()))?;
        let copied = {
            let view = staging.raw().get_mapped_range(0..bytes);
            let view = view.map_err(|error| Error::DeviceLost(error.to_string()))?;
            view.to_vec()
        };
        staging.raw().unmap();
        staging.join(&self.staging);
        Ok(copied)
    }
}
