//! The shipped binary, started in a folder of its own.

#![allow(dead_code, reason = "each test program uses a part")]

pub mod tls;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

/// Ports of `palomar dev` without offset.
const PORTS: [u16; 8] = [1993, 1143, 1995, 1110, 1465, 1587, 1025, 1024];
static TRIED: AtomicU16 = AtomicU16::new(0);

/// A running `palomar dev`; stopped when dropped.
pub struct Server {
    child: Child,
    /// What it printed.
    pub told: serde_json::Value,
    /// Its data folder.
    pub data: PathBuf,
    offset: u16,
}

/// A command.
pub fn palomar(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palomar"));
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs a command on a data folder with some input.
pub fn on(data: &Path, words: &[&str], input: &str) -> Output {
    let mut child = palomar(words)
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs a command that must succeed; its JSON.
pub fn json(data: &Path, words: &[&str], input: &str) -> serde_json::Value {
    let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
    let output = on(data, &words, input);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An offset at which all ports are free.
fn free_offset() -> u16 {
    let start = 10_000 + u16::try_from(std::process::id() % 2_000).unwrap() * 16;
    for _ in 0..500 {
        let offset = start.wrapping_add(TRIED.fetch_add(1, Relaxed) * 7) % 60_000;
        let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port + offset)).is_ok();
        if PORTS.iter().all(free) {
            return offset;
        }
    }
    panic!("no free ports");
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(data: &Path) -> Self {
        Self::start_at(data, free_offset())
    }

    fn start_at(data: &Path, offset: u16) -> Self {
        let mut child = palomar(&["dev", "--json", "--port-offset", &offset.to_string()])
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|_| panic!("told: {line}"));
        Self { child, told, data: data.to_owned(), offset }
    }

    /// A port.
    pub fn port(&self, protocol: &str) -> u16 {
        u16::try_from(self.told["ports"][protocol].as_u64().unwrap()).unwrap()
    }

    /// Address and password of an account.
    pub fn account(&self, at: usize) -> (String, String) {
        let account = &self.told["accounts"][at];
        let text = |name: &str| account[name].as_str().unwrap().to_owned();
        (text("address"), text("password"))
    }

    /// Asks it to stop, and waits; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap().code()
    }

    /// Kills it and starts it again at the same ports.
    pub fn kill_and_start(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (data, offset) = (self.data.clone(), self.offset);
        drop(self);
        Self::start_at(&data, offset)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that speaks lines, with a time-out on everything.
pub struct Talk<S> {
    stream: BufReader<S>,
}

impl<S: Read + Write> Talk<S> {
    /// Over a stream.
    pub fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends as it is.
    pub fn say(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    /// A line without its end; empty at the end of input.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Lines up to the one that begins so, with it.
    pub fn until(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            assert!(!line.is_empty() || !lines.last().is_some_and(String::is_empty), "{lines:?}");
            lines.push(line);
            if lines.last().unwrap().starts_with(start) {
                return lines;
            }
        }
    }

    /// The stream, and nothing that was read ahead.
    pub fn into_inner(self) -> S {
        assert!(self.stream.buffer().is_empty());
        self.stream.into_inner()
    }
}
