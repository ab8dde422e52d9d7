//! `cargo xtask test`: everything, in the order that fails soonest.

use crate::{
    setup, tidy,
    tools::{Outcome, cargo, done, exists, root},
};

/// Seconds that each fuzz target gets in a full run; `cargo xtask test fuzz` gives it ten minutes.
const FUZZ_SECONDS: &str = "15";
const FUZZ_SECONDS_LONG: &str = "600";

/// Files and settings of the full kill campaigns, which take half an hour.
const KILL_FILES: &[&str] = &["tests/crash/test_kill.py", "tests/crash/test_queue_kill.py"];
const KILL_SETTINGS: &[(&str, &str)] =
    &[("PALOMAR_KILLS", "200"), ("PALOMAR_QUEUE_KILLS", "100"), ("PALOMAR_QUEUE_MESSAGES", "5000")];

/// Runs the parts named, or all; `kill` only when it is named.
pub fn run(parts: &[String]) -> Outcome {
    let all = parts.is_empty();
    let wanted = |part: &str| all || parts.iter().any(|named| named == part);
    let kill = parts.iter().any(|named| named == "kill");
    setup::compiler()?;
    if wanted("tidy") {
        done(cargo().args(["fmt", "--all", "--check"]))?;
        tidy::run()?;
        done(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    }
    if wanted("unit") || wanted("interop") || wanted("crash") {
        setup::packages(setup::TEST_PACKAGES)?;
    }
    if wanted("unit") {
        unit()?;
    }
    if wanted("interop") || wanted("crash") || kill {
        done(cargo().args(["build", "--release", "--package", "server", "--bin", "palomar"]))?;
        setup::node()?;
    }
    if wanted("interop") {
        pytest(&["tests/interop"], &[])?;
    }
    if wanted("crash") {
        pytest(&["tests/crash"], &[])?;
    }
    if kill {
        pytest(KILL_FILES, KILL_SETTINGS)?;
    }
    if wanted("fuzz") {
        fuzz(if all { FUZZ_SECONDS } else { FUZZ_SECONDS_LONG })?;
    }
    Ok(())
}

/// Unit, transcript, property, contract and in-process tests.
fn unit() -> Outcome {
    if exists("cargo-nextest") {
        done(cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]))?;
    } else {
        done(cargo().args(["test", "--workspace", "--no-fail-fast"]))?;
    }
    Ok(())
}

/// The shipped binary from outside; campaigns, which have settings, say what came out.
fn pytest(files: &[&str], settings: &[(&str, &str)]) -> Outcome {
    if let Some(missing) = files.iter().find(|file| !root().join(file).exists()) {
        return Err(format!("{missing} is not there"));
    }
    let mut python = setup::python()?;
    python.env("PALOMAR_BIN", root().join("target/release/palomar"));
    python.envs(settings.iter().copied());
    python.args(["-m", "pytest", "-q", "-x", "--durations=5"]).args(files);
    if !settings.is_empty() {
        python.arg("-s");
    }
    done(&mut python)
}

/// Every fuzz target for a while, from the committed corpus.
fn fuzz(seconds: &str) -> Outcome {
    let folder = root().join("fuzz");
    if !folder.join("run").exists() {
        return if setup::is_ci() { Err("fuzz/run is not there".into()) } else { Ok(()) };
    }
    done(crate::tools::command("bash").arg(folder.join("run")).arg(seconds))
}
