//! Running other programs.

use std::{env, path::PathBuf, process::Command};

/// `Err` says in one sentence what failed.
pub type Outcome = Result<(), String>;

/// The repository's folder: the one that cargo runs this for, which is not the one that it was
/// built in when working copies share a target folder.
pub fn root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
    let manifest = PathBuf::from(manifest);
    manifest.ancestors().nth(2).map_or_else(|| PathBuf::from("."), Into::into)
}

/// cargo, in the repository.
pub fn cargo() -> Command {
    command(&env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
}

/// A program, in the repository.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Runs it to its end; its words go where ours go.
pub fn done(command: &mut Command) -> Outcome {
    let what = format!("{command:?}");
    let status = command.status().map_err(|error| format!("{what}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what}: {status}")) }
}

/// Whether a program is on the PATH.
pub fn exists(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
