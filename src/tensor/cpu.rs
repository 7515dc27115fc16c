//! The processor as a device.

use super::Device;
use crate::{engine, error::Result};

impl Device {
    /// The processor, by burn's engine.
    ///
    /// # Errors
    /// When the engine cannot start.
    pub fn cpu() -> Result<Self> {
        engine::burn::cpu().map(Self::new)
    }
}
