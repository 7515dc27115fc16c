//! Timing a graph of operations.

use std::time::Instant;

use super::cases::Case;
use crate::{Result, tensor::Device};

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
pub fn measure(case: &Case, device: &Device, secs: f64) -> Result<Figures> {
    let run = |times: usize| -> Result<f64> {
        let start = Instant::now();
        let mut last = None;
        for _ in 0..times {
            let result = (case.run)(&case.inputs);
            device.eval(&[&result])?;
            last = Some(result);
        }
        if let Some(result) = last {
            pollster::block_on(first_number(&result).read())?;
        }
        Ok(start.elapsed().as_secs_f64())
    };
    run(1)?;
    let once = run(1)?;
    let times = (secs / once).clamp(1.0, 1000.0) as usize;
    let taken = if times == 1 {
        once
    } else {
        run(times)? / times as f64
    };
    Ok(Figures {
        secs: taken,
        flops: case.work.flops,
        bytes: case.work.bytes,
    })
}

/// One number of a result: reading it waits for all of it.
fn first_number(result: &crate::tensor::Tensor) -> crate::tensor::Tensor {
    let axes = result.shape().rank();
    (0..axes).fold(result.clone(), |part, axis| part.slice(axis, 0..1))
}
