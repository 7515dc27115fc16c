//! Finds the best adapter and opens it with all that it offers.

use super::{
    gpu::Gpu,
    host,
    step::{Limits, Storage},
};
use crate::{
    engine::{DeviceInfo, Precision},
    error::{Error, Result},
};

/// Opens the best adapter there is: a real GPU before one that a processor plays.
pub async fn open(precision: Precision, packed: bool) -> Result<(Gpu, DeviceInfo)> {
    let adapter = adapter().await?;
    let offered = adapter.features();
    let wanted = wgpu::Features::SHADER_F16 | wgpu::Features::TIMESTAMP_QUERY;
    let features = offered & wanted;
    // What a processor plays loads each component by itself: packed, there are half as many. On lavapipe 25.0 a 3x3
    // convolution of 128 channels took 31 ms of processor time in f16, 17 ms packed.
    let software = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
    let lacks_f16 = !features.contains(wgpu::Features::SHADER_F16);
    let storage = match precision {
        Precision::F32 => Storage::F32,
        Precision::Auto if software => Storage::PackedF16,
        Precision::Auto | Precision::F16 if packed || lacks_f16 => Storage::PackedF16,
        Precision::Auto | Precision::F16 => Storage::F16,
    };
    let (device, queue) = adapter
        .request_device(&wgpu::DeviceDescriptor {
            label: Some("guidestar"),
            required_features: features,
            required_limits: adapter.limits(),
            ..Default::default()
        })
        .await
        .map_err(|error| Error::NoDevice(format!("the GPU could not be opened: {error}")))?;
    let found = adapter.get_info();
    let limits = limits(&device.limits(), &found, storage);
    let info = describe(&found, &limits, features);
    log::info!("{} through {}, {storage:?}", info.name, info.api);
    let has_timestamps = features.contains(wgpu::Features::TIMESTAMP_QUERY);
    let gpu = Gpu::new(device, queue, limits, has_timestamps);
    Ok((gpu, info))
}

/// The best adapter.
async fn adapter() -> Result<wgpu::Adapter> {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        // Refuse an allocation before the driver begins to swap or the desktop suffers.
        memory_budget_thresholds: wgpu::MemoryBudgetThresholds {
            for_resource_creation: Some(97),
            for_device_loss: None,
        },
        ..descriptor
    });
    let mut options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    if let Ok(adapter) = instance.request_adapter(&options).await {
        return Ok(adapter);
    }
    // Browsers hand out a software adapter only when asked for it by name.
    options.force_fallback_adapter = true;
    instance.request_adapter(&options).await.map_err(|error| {
        log::debug!("{error}");
        Error::NoDevice(
            "no GPU was found: install your GPU's driver, or mesa-vulkan-drivers for one in software, or use \
             --device cpu; in a browser, switch WebGPU on"
                .to_owned(),
        )
    })
}

fn limits(device: &wgpu::Limits, info: &wgpu::AdapterInfo, storage: Storage) -> Limits {
    Limits {
        storage,
        software: info.device_type == wgpu::DeviceType::Cpu,
        binding_bytes: device
            .max_storage_buffer_binding_size
            .min(device.max_buffer_size),
        buffer_bytes: device.max_buffer_size,
        workgroup_bytes: device.max_compute_workgroup_storage_size,
        invocations: device
            .max_compute_invocations_per_workgroup
            .min(device.max_compute_workgroup_size_x),
        storage_buffers: device.max_storage_buffers_per_shader_stage,
        workgroups: device.max_compute_workgroups_per_dimension,
    }
}

fn describe(found: &wgpu::AdapterInfo, limits: &Limits, features: wgpu::Features) -> DeviceInfo {
    let yes_no = |feature| {
        if features.contains(feature) {
            "yes"
        } else {
            "no"
        }
    };
    let details = [
        ("driver", format!("{} {}", found.driver, found.driver_info)),
        ("storage", format!("{:?}", limits.storage)),
        ("shader-f16", yes_no(wgpu::Features::SHADER_F16).to_owned()),
        (
            "timestamp-query",
            yes_no(wgpu::Features::TIMESTAMP_QUERY).to_owned(),
        ),
        (
            "largest binding",
            format!("{} MiB", limits.binding_bytes >> 20),
        ),
        (
            "largest buffer",
            format!("{} MiB", limits.buffer_bytes >> 20),
        ),
        (
            "workgroup memory",
            format!("{} KiB", limits.workgroup_bytes >> 10),
        ),
        ("invocations", limits.invocations.to_string()),
    ];
    DeviceInfo {
        name: found.name.clone(),
        api: match found.backend {
            wgpu::Backend::Vulkan => "vulkan",
            wgpu::Backend::Metal => "metal",
            wgpu::Backend::Dx12 => "dx12",
            wgpu::Backend::BrowserWebGpu => "webgpu",
            _ => "gpu",
        },
        dtype: limits.storage.dtype(),
        software: limits.software,
        memory_bytes: limits.software.then(host::free_bytes).flatten(),
        details: details
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}
