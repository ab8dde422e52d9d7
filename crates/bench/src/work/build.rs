//! A clean release build, in a target folder of its own.

use super::{Bench, root};
use crate::{
    error::{Error, fail},
    table::{Figure, Row},
};
use std::{process::Command, time::Instant};

/// Builds and times it.
pub fn run(bench: &mut Bench<'_>) -> Result<(), Error> {
    let target = bench.folder.join("target");
    let started = Instant::now();
    let built = Command::new("cargo")
        .current_dir(root())
        .args(["build", "--release", "--package", "server", "--bin", "palomar", "--target-dir"])
        .arg(&target)
        .status()?;
    if !built.success() {
        return fail("the build failed");
    }
    bench.row(Row {
        work: "a clean release build".into(),
        unit: "minutes",
        more_is_better: false,
        peer: "",
        palomar: Figure { value: started.elapsed().as_secs_f64() / 60.0, cpu_ms: 0.0 },
        other: None,
        goal: "≤ 8",
    });
    Ok(())
}
