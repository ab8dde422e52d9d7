//! The child: `palomar extract-child`. It confines itself, then reads documents and says their
//! text until its input ends.
//!
//! Invariants: nothing is read before it is confined; only frames go to the server, whatever a
//! parser prints.

use super::{
    confine::{self, Bounds},
    wire::{self, Answer},
};
use clap::Args;
use extract::{Kind, Limits};
use std::{
    fs::{File, OpenOptions},
    io,
};

/// Room for one request's document besides what reading it takes is in the bounds; these are its
/// limits, which the server sets.
#[derive(Args, Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct Arguments {
    #[arg(long)]
    pub memory_octets_max: u64,
    #[arg(long)]
    pub cpu_seconds_max: u64,
    #[arg(long)]
    pub input_octets_max: usize,
    #[arg(long)]
    pub unpacked_octets_max: usize,
    #[arg(long)]
    pub entries_max: usize,
    #[arg(long)]
    pub depth_max: usize,
    #[arg(long)]
    pub text_chars_max: usize,
}

impl Arguments {
    /// As they are written on the command line.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let words = [
            ("--memory-octets-max", self.memory_octets_max),
            ("--cpu-seconds-max", self.cpu_seconds_max),
            ("--input-octets-max", self.input_octets_max as u64),
            ("--unpacked-octets-max", self.unpacked_octets_max as u64),
            ("--entries-max", self.entries_max as u64),
            ("--depth-max", self.depth_max as u64),
            ("--text-chars-max", self.text_chars_max as u64),
        ];
        words.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]).collect()
    }

    const fn limits(&self) -> Limits {
        Limits {
            input_octets_max: self.input_octets_max,
            unpacked_octets_max: self.unpacked_octets_max,
            entries_max: self.entries_max,
            depth_max: self.depth_max,
            text_chars_max: self.text_chars_max,
        }
    }
}

/// Serves until the input ends.
pub fn run(arguments: &Arguments) -> io::Result<()> {
    let mut answers = own_output()?;
    // What panics say is not for the server's log, and a backtrace would open files.
    std::panic::set_hook(Box::new(|_| ()));
    let mut requests = io::stdin().lock();
    let confinement = confine::all(&Bounds {
        memory_octets_max: arguments.memory_octets_max,
        cpu_seconds_max: arguments.cpu_seconds_max,
    })?;
    Answer::Ready(confinement).write(&mut answers)?;
    let limits = arguments.limits();
    while let Some((code, document)) = wire::read_request(&mut requests, limits.input_octets_max)? {
        let text = match Kind::of_code(code) {
            Some(kind) => extract::text(kind, &document, &limits),
            None => Err(extract::Error::Malformed("a kind that nobody reads")),
        };
        drop(document);
        Answer::of(text).write(&mut answers)?;
    }
    Ok(())
}

/// Standard output for frames alone: whoever prints, prints into nothing.
fn own_output() -> io::Result<File> {
    let own = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let nothing = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(own.into())
}
