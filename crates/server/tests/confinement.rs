//! What a confined process can still do: read, write, take memory. Each deed is done in a process
//! of its own, this same test binary with one of the ignored tests, which are not run otherwise.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use server::attachments::confine::{self, Bounds};
use std::{
    io::Write as _,
    net::TcpStream,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitStatus, Stdio},
};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSYS: i32 = 31;

/// Says that the deed did not end the process.
const ALIVE: u8 = b'+';

/// Runs a deed; gives how its process ended and whether it got behind the deed.
fn done(deed: &str) -> (ExitStatus, bool) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "--test-threads=1", deed]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "there is no deed {deed}: {said}");
    (output.status, output.stderr.contains(&ALIVE))
}

#[track_caller]
fn ends_by(deed: &str, signal: i32) {
    let (status, alive) = done(deed);
    assert!(!alive, "{deed} was done");
    assert_eq!(status.signal(), Some(signal), "{deed}: {status}");
}

fn alive() {
    std::io::stderr().write_all(&[ALIVE]).unwrap();
}

fn bounds() -> Bounds {
    Bounds { memory_octets_max: 64 << 20, cpu_seconds_max: 1 }
}

fn confined() {
    assert!(confine::all(&bounds()).unwrap().is_full(), "this kernel confines fully");
}

#[test]
fn work_goes_on() {
    let (_, alive) = done("deed_work");
    assert!(alive);
}

#[test]
#[ignore = "a deed"]
fn deed_work() {
    // As in the child: a backtrace would open files.
    std::panic::set_hook(Box::new(|_| ()));
    confined();
    let all: Vec<u64> = (0..1_000_000).collect();
    assert_eq!(all.iter().sum::<u64>(), 499_999_500_000);
    assert!(std::panic::catch_unwind(|| all[2_000_000]).is_err());
    alive();
}

#[test]
fn opening_a_file_ends_it() {
    ends_by("deed_open", SIGSYS);
}

#[test]
#[ignore = "a deed"]
fn deed_open() {
    confined();
    let _ = std::fs::File::open("/etc/passwd");
    alive();
}

#[test]
fn opening_a_socket_ends_it() {
    ends_by("deed_socket", SIGSYS);
}

#[test]
#[ignore = "a deed"]
fn deed_socket() {
    confined();
    let _ = TcpStream::connect("127.0.0.1:9");
    alive();
}

#[test]
fn starting_a_program_ends_it() {
    ends_by("deed_program", SIGSYS);
}

#[test]
#[ignore = "a deed"]
fn deed_program() {
    confined();
    let _ = Command::new("/bin/true").spawn();
    alive();
}

#[test]
fn starting_a_thread_ends_it() {
    ends_by("deed_thread", SIGSYS);
}

#[test]
#[ignore = "a deed"]
fn deed_thread() {
    confined();
    let _ = std::thread::Builder::new().spawn(|| ());
    alive();
}

#[test]
fn sending_a_signal_ends_it() {
    ends_by("deed_signal", SIGSYS);
}

#[test]
#[ignore = "a deed"]
fn deed_signal() {
    confined();
    let _ = rustix::process::test_kill_process(rustix::process::Pid::INIT);
    alive();
}

#[test]
fn more_memory_than_allowed_ends_it() {
    let (status, alive) = done("deed_memory");
    assert!(!alive && !status.success(), "{status}");
}

#[test]
#[ignore = "a deed"]
fn deed_memory() {
    confined();
    // Besides the 64 MiB that are allowed, a thread of the C library has as much in reserve.
    let all: Vec<_> = (0..160).map(|_| vec![1_u8; 1 << 20]).collect();
    assert_eq!(all.len(), 160);
    alive();
}

#[test]
fn more_cpu_than_allowed_ends_it() {
    ends_by("deed_cpu", SIGKILL);
}

#[test]
#[ignore = "a deed"]
fn deed_cpu() {
    confine::limits(&Bounds { cpu_seconds_max: 1, ..bounds() }).unwrap();
    let mut number = 1_u64;
    while number != 0 {
        number = std::hint::black_box(number | 1);
    }
    alive();
}

#[test]
fn landlock_alone_takes_files_and_tcp_away() {
    let (status, alive) = done("deed_landlock");
    assert!(alive && status.success(), "{status}");
}

#[test]
#[ignore = "a deed"]
fn deed_landlock() {
    let denied = std::io::ErrorKind::PermissionDenied;
    assert!(confine::files().unwrap());
    assert_eq!(std::fs::read("/etc/passwd").unwrap_err().kind(), denied);
    assert_eq!(std::fs::File::create("/tmp/deed").unwrap_err().kind(), denied);
    assert_eq!(TcpStream::connect("127.0.0.1:9").unwrap_err().kind(), denied);
    alive();
}

#[test]
fn limits_alone_take_new_files_away() {
    let (status, alive) = done("deed_limits");
    assert!(alive && status.success(), "{status}");
}

#[test]
#[ignore = "a deed"]
fn deed_limits() {
    confine::limits(&bounds()).unwrap();
    assert_eq!(std::fs::File::open("/etc/passwd").unwrap_err().raw_os_error(), Some(24));
    alive();
}

#[test]
fn seccomp_alone_lets_no_code_be_made() {
    ends_by("deed_code", SIGSYS);
}

#[test]
#[ignore = "a deed"]
fn deed_code() {
    confine::system_calls().unwrap();
    // What the allocator takes is no code: that goes on. The abort sends itself a signal, by a
    // call that is not let through.
    assert_eq!(vec![7_u8; 8 << 20].len(), 8 << 20);
    std::process::abort();
}

#[test]
fn without_confinement_an_abort_is_an_abort() {
    ends_by("deed_abort", SIGABRT);
}

#[test]
#[ignore = "a deed"]
fn deed_abort() {
    std::process::abort();
}
