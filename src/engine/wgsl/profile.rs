//! How long each step takes on the device.

use std::rc::Rc;

use super::{
    buffers::{Buffer, Pool, Use},
    gpu::Gpu,
    graph::Line,
    host,
    plan::Stage,
    replay::{Arena, Recording},
};
use crate::{engine::StepTime, error::Result};

/// Timestamps in a set, two for each step: WebGPU's most.
const QUERIES: usize = 4096;

/// Bytes of a timestamp.
const TICK_BYTES: u64 = 8;

/// Runs a plan step by step, and hands over its roots' elements with each step's time.
///
/// The device's own timestamps are used where it has them. Elsewhere each step is submitted and waited for by itself:
/// then its time holds a submission's as well.
pub async fn run(
    gpu: &Gpu,
    recording: &Recording,
    line: &Line,
    arena: &Arena,
    pool: &Rc<Pool>,
) -> Result<(Vec<Buffer>, Vec<StepTime>)> {
    recording.prepare(gpu, line, arena)?;
    let mut encoder = gpu.encoder();
    recording.copy_inputs(line, arena, &mut encoder);
    gpu.submit(encoder);
    gpu.finish().await?;
    let mut times = Vec::new();
    for stages in recording.plan.stages.chunks(QUERIES / 2) {
        let secs = match gpu.timestamp_nanos {
            Some(nanos) => by_timestamps(gpu, recording, stages, nanos).await?,
            None => by_waiting(gpu, recording, stages).await?,
        };
        let named = stages.iter().zip(secs);
        times.extend(named.map(|(stage, secs)| step_time(stage, secs)));
    }
    let mut encoder = gpu.encoder();
    let outputs = recording.copy_roots(gpu, line, arena, pool, &mut encoder)?;
    gpu.submit(encoder);
    gpu.check()?;
    Ok((outputs, times))
}

/// The steps of a plan that nobody runs: what they cost, and no time.
pub fn untimed(stages: &[Stage]) -> Vec<StepTime> {
    stages.iter().map(|stage| step_time(stage, 0.0)).collect()
}

fn step_time(stage: &Stage, secs: f64) -> StepTime {
    StepTime {
        label: stage.task.step.to_string(),
        flops: stage.cost.flops,
        bytes: stage.cost.bytes,
        secs,
    }
}

async fn by_timestamps(
    gpu: &Gpu,
    recording: &Recording,
    stages: &[Stage],
    tick_nanos: f32,
) -> Result<Vec<f64>> {
    let count = 2 * stages.len() as u32;
    let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
        label: None,
        ty: wgpu::QueryType::Timestamp,
        count,
    });
    let bytes = TICK_BYTES * u64::from(count);
    let resolved = Buffer::new(gpu, bytes, Use::Queries);
    for (at, stage) in (0..).step_by(2).zip(stages) {
        let mut encoder = gpu.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set: &queries,
                    beginning_of_pass_write_index: Some(at),
                    end_of_pass_write_index: Some(at + 1),
                }),
            });
            recording.record(gpu, stage.launches.clone(), &mut pass);
        }
        gpu.submit(encoder);
    }
    let mut encoder = gpu.encoder();
    encoder.resolve_query_set(&queries, 0..count, resolved.raw(), 0);
    gpu.submit(encoder);
    let bytes = gpu.download(resolved.raw(), bytes).await?;
    let ticks: &[u64] = &bytemuck::pod_collect_to_vec::<u8, u64>(&bytes);
    let secs = ticks
        .chunks_exact(2)
        // A device may round its clock so that a short step ends before it began.
        .map(|pair| pair[1].saturating_sub(pair[0]) as f64 * f64::from(tick_nanos) * 1e-9);
    Ok(secs.collect())
}

async fn by_waiting(gpu: &Gpu, recording: &Recording, stages: &[Stage]) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(stages.len());
    for stage in stages {
        let start = host::secs();
        let mut encoder = gpu.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            recording.record(gpu, stage.launches.clone(), &mut pass);
        }
        gpu.submit(encoder);
        gpu.finish().await?;
        times.push(host::secs() - start);
    }
    Ok(times)
}
