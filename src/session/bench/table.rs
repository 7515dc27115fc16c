//! The figures as a person reads them.

use super::{Ceilings, Figures};

/// The device's own limits, and the head of the table.
pub fn head(limits: &Ceilings) -> String {
    let [gflops, gbytes] = [limits.flops / 1e9, limits.bytes / 1e9];
    let columns = ["", "ms", "GFLOP/s", "GB/s", "of limit"];
    format!(
        "measured limits: {gflops:.1} GFLOP/s (matrix product), {gbytes:.1} GB/s (copy);\n\
         what fits in a cache can be faster than the copy, which does not\n\n\
         {:<44} {:>10} {:>10} {:>8} {:>9}",
        columns[0], columns[1], columns[2], columns[3], columns[4]
    )
}

/// A line of the table.
pub fn row(name: &str, figures: &Figures, limits: &Ceilings) -> String {
    let millis = figures.secs * 1e3;
    let [gflops, gbytes] = [figures.flops_per_sec() / 1e9, figures.bytes_per_sec() / 1e9];
    let percent = 100.0 * figures.share(limits);
    format!("{name:<44} {millis:>10.2} {gflops:>10.1} {gbytes:>8.2} {percent:>8.0}%")
}
