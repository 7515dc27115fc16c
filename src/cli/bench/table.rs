//! The figures, for a person and for a program.

use serde_json::json;

use super::{Ceilings, Figures};
use crate::{cli::report::print, tensor::Device};

/// The device's own limits, and the head of the table.
pub fn ceilings(limits: &Ceilings, device: &Device, as_json: bool) {
    let [gflops, gbytes] = [limits.flops / 1e9, limits.bytes / 1e9];
    if as_json {
        let info = device.info();
        let line = json!({
            "device": info.name, "api": info.api, "dtype": format!("{:?}", info.dtype),
            "matmul_gflops": gflops, "copy_gbytes": gbytes,
        });
        print(&line.to_string());
        return;
    }
    print(&format!(
        "measured limits: {gflops:.1} GFLOP/s (matrix product), {gbytes:.1} GB/s (copy);\n\
         what fits in a cache can be faster than the copy, which does not\n"
    ));
    print(&format!(
        "{:<44} {:>10} {:>10} {:>8} {:>9}",
        "", "ms", "GFLOP/s", "GB/s", "of limit"
    ));
}

/// A line of the table.
pub fn row(name: &str, figures: &Figures, limits: &Ceilings, as_json: bool) {
    let millis = figures.secs * 1e3;
    let [gflops, gbytes] = [figures.flops_per_sec() / 1e9, figures.bytes_per_sec() / 1e9];
    let share = figures.share(limits);
    if as_json {
        let line = json!({
            "name": name, "ms": millis, "gflops": gflops, "gbytes": gbytes, "share": share,
        });
        print(&line.to_string());
    } else {
        let percent = 100.0 * share;
        print(&format!(
            "{name:<44} {millis:>10.2} {gflops:>10.1} {gbytes:>8.2} {percent:>8.0}%"
        ));
    }
}
