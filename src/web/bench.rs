//! The bench of a page.

use std::cell::Cell;

use super::{
    messages::Said,
    port::{Id, Port},
    shelf::MINI,
};
use crate::{
    error::{Error, Result},
    session::{
        Blueprint, Job,
        bench::{Case, Ceilings, PASSES, Shapes, ceilings, measure, operations, table},
    },
    tensor::Device,
};

/// Seconds to spend on each operation, about.
const SECS: f64 = 0.25;

/// Measures a device with the shapes of mini, and tells each figure as it comes.
///
/// # Errors
/// When the device fails, or `stop` is given.
pub async fn run(
    id: Id,
    port: &Port,
    device: &Device,
    blueprint: &Blueprint,
    stop: &Cell<bool>,
) -> Result<()> {
    let tell = |lines: Vec<String>, done: bool| port.say(id, &Said::Bench { lines, done });
    // What the device is, the page knows from its opening.
    tell(
        vec![format!("guidestar {}", env!("CARGO_PKG_VERSION"))],
        false,
    );

    let [products, copies] = ceilings(device).await?;
    let limits = Ceilings {
        flops: measure(&products, device, SECS).await?.flops_per_sec(),
        bytes: measure(&copies, device, SECS).await?.bytes_per_sec(),
    };
    tell(
        table::head(&limits).lines().map(str::to_owned).collect(),
        false,
    );
    let show = async |case: Case| -> Result<()> {
        if stop.get() {
            return Err(Error::Interrupted);
        }
        let figures = measure(&case, device, SECS).await?;
        tell(vec![table::row(&case.name, &figures, &limits)], false);
        Ok(())
    };
    for case in operations(device, Shapes::Mini).await? {
        show(case).await?;
    }
    let job = Job {
        model: MINI.to_owned(),
        ..Job::default()
    };
    let job = job.check(&blueprint.traits)?;
    for pass in PASSES {
        show(pass.build(device, blueprint, &job).await?).await?;
    }
    tell(Vec::new(), true);
    Ok(())
}
