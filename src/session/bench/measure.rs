//! Timing a graph of operations.

use super::cases::Case;
use crate::{
    error::Result,
    session::clock::now_secs,
    tensor::{Device, Tensor},
};

/// What a device reached at its best in this very run: everything else is a share of it.
pub struct Ceilings {
    /// Operations a second of a large matrix product.
    pub flops: f64,
    /// Bytes a second of a large copy, reading and writing.
    pub bytes: f64,
}

/// What a case took.
pub struct Figures {
    /// Seconds it takes once.
    pub secs: f64,
    /// Operations it does; a multiply-add is two.
    pub flops: u64,
    /// Bytes it must move at least.
    pub bytes: u64,
}

impl Figures {
    /// Operations a second.
    pub fn flops_per_sec(&self) -> f64 {
        self.flops as f64 / self.secs
    }

    /// Bytes a second.
    pub fn bytes_per_sec(&self) -> f64 {
        self.bytes as f64 / self.secs
    }

    /// The share of the nearer of both limits: no kernel can take less time than its arithmetic and its traffic at
    /// the speeds that were measured.
    pub fn share(&self, limits: &Ceilings) -> f64 {
        let least = (self.flops as f64 / limits.flops).max(self.bytes as f64 / limits.bytes);
        least / self.secs
    }
}

/// Runs a case until so many seconds are over, after one run that makes plans and pipelines.
///
/// The work of a batch of runs is waited for once, so that the wait is not counted with each.
///
/// # Errors
/// When the device fails.
pub async fn measure(case: &Case, device: &Device, secs: f64) -> Result<Figures> {
    run(case, device, 1).await?;
    let once = run(case, device, 1).await?;
    let times = (secs / once).clamp(1.0, 1000.0) as usize;
    let taken = if times == 1 {
        once
    } else {
        run(case, device, times).await? / times as f64
    };
    Ok(Figures {
        secs: taken,
        flops: case.work.flops,
        bytes: case.work.bytes,
    })
}

/// Seconds that so many runs take.
async fn run(case: &Case, device: &Device, times: usize) -> Result<f64> {
    let start = now_secs();
    let mut last = None;
    for _ in 0..times {
        let result = (case.run)(&case.inputs);
        device.eval(&[&result])?;
        last = Some(result);
    }
    if let Some(result) = last {
        first_number(&result).read().await?;
    }
    // A browser rounds its clock, to a tenth of a millisecond at the worst.
    Ok((now_secs() - start).max(1e-5))
}

/// One number of a result: reading it waits for all of it.
fn first_number(result: &Tensor) -> Tensor {
    let axes = result.shape().rank();
    (0..axes).fold(result.clone(), |part, axis| part.slice(axis, 0..1))
}
