//! `cargo xtask …`: run, test, tidy, bench. Knows the repository, never the product's insides, and
//! has no dependency, so that a fresh machine has it in seconds.

mod docs;
mod setup;
mod tests;
mod tidy;
mod tools;

use std::{env, process::ExitCode};
use tools::{Outcome, cargo, done, root};

const HELP: &str = "\
cargo xtask run  [ARGS]   build the release binary and start a working server in ./data
                          (ARGS go to `palomar dev`, e.g. --data DIR --port-offset 100 --json)
cargo xtask test [PART…]  set up what tests need and run everything, or of it only:
                          tidy, unit, interop, crash, fuzz; or, when it is named, kill: the
                          full kill campaigns (200 of the store, 100 with 5000 messages on
                          their way from one server to another)
cargo xtask tidy          check the house rules
cargo xtask docs          make the tables in docs/ that come from the source
cargo xtask bench [ARGS]  measure Palomar beside Dovecot and Postfix (see --help)
";

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let outcome = match task.as_str() {
        "run" => run(&rest),
        "test" => tests::run(&rest),
        "tidy" => tidy::run(),
        "docs" => docs::run(),
        "bench" => bench(&rest),
        _ => {
            print!("{HELP}");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {task}: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the release binary and starts `palomar dev` in its place.
fn run(args: &[String]) -> Outcome {
    setup::compiler()?;
    done(cargo().args(["build", "--release", "--package", "server", "--bin", "palomar"]))?;
    let mut dev = std::process::Command::new(root().join("target/release/palomar"));
    dev.arg("dev");
    if !args.iter().any(|arg| arg == "--data" || arg.starts_with("--data=")) {
        dev.arg("--data").arg(root().join("data"));
    }
    done(dev.args(args))
}

/// Sets up the peers and hands over to the bench crate's own program.
fn bench(args: &[String]) -> Outcome {
    setup::compiler()?;
    if !args.iter().any(|arg| arg == "--help") {
        setup::packages(setup::BENCH_PACKAGES)?;
    }
    done(cargo().args(["build", "--release", "--package", "server", "--bin", "palomar"]))?;
    done(cargo().args(["run", "--quiet", "--release", "--package", "bench", "--"]).args(args))
}
