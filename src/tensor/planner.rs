//! What a job would take, on devices that do not plan too.

use super::{DType, Device};
use crate::engine::wgsl::{
    planner,
    step::{Limits, Storage},
};

impl Device {
    /// [`Device::planner`], and for an eager device, which has no plans, that of a large GPU with the same type of
    /// numbers: an eager device takes about as much, and a little more.
    #[must_use]
    pub fn estimator(&self) -> Self {
        if self.info().api != "cpu" {
            return self.planner();
        }
        let storage = match self.dtype() {
            DType::F16 => Storage::F16,
            DType::F32 => Storage::F32,
        };
        Self::new(planner(Limits {
            storage,
            software: false,
            binding_bytes: 1 << 40,
            buffer_bytes: 1 << 40,
            workgroup_bytes: 32 << 10,
            invocations: 1024,
            storage_buffers: 16,
            workgroups: 65_535,
        }))
    }
}
