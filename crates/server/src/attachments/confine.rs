//! Confinement of the process that reads documents of strangers.
//!
//! Invariants: works without privileges and cannot be undone; what the kernel does not offer is
//! reported, not passed over. The order matters: what is used already is read from `/proc`, which
//! landlock takes away; landlock needs a file descriptor, the limits forbid any more of them; the
//! filter forbids setting limits.

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit, setsid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::{collections::BTreeMap, fs, io};

/// What the process may use from here on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Octets of address space beyond what it has now.
    pub memory_octets_max: u64,
    /// Seconds of CPU, from its start.
    pub cpu_seconds_max: u64,
}

/// What holds the process, of what there is besides limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Confinement {
    /// landlock: no files, no TCP, no signals to and no sockets of others.
    pub landlock: bool,
    /// seccomp: the system calls of [`CALLS`] alone, any other ends the process.
    pub seccomp: bool,
}

impl Confinement {
    /// Whether nothing is missing.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.landlock && self.seccomp
    }
}

/// Confines this process (of the first two, this thread and those it starts). An error is a limit
/// that could not be set: nothing of a stranger may be read then.
pub fn all(bounds: &Bounds) -> io::Result<Confinement> {
    let used = address_space_octets()?;
    // Already the leader of its session: as good.
    let _ = setsid();
    let landlock = files().unwrap_or(false);
    set_limits(bounds, used)?;
    Ok(Confinement { landlock, seccomp: system_calls().is_ok() })
}

/// Takes the file system, TCP and other processes away. `false` when the kernel cannot.
pub fn files() -> Result<bool, RulesetError> {
    // Of an older kernel's landlock all that it has is used.
    let abi = ABI::V6;
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?;
    // No rule: nothing is allowed. This also sets no_new_privs.
    Ok(ruleset.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

/// Sets the limits: memory, CPU, and no new file descriptors, processes, files or core dumps.
pub fn limits(bounds: &Bounds) -> io::Result<()> {
    set_limits(bounds, address_space_octets()?)
}

fn set_limits(bounds: &Bounds, used_octets: u64) -> io::Result<()> {
    let memory = used_octets.saturating_add(bounds.memory_octets_max);
    for (resource, most) in [
        (Resource::As, memory),
        (Resource::Cpu, bounds.cpu_seconds_max),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        (Resource::Nofile, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// What this process has mapped: libraries, stack, what the allocator keeps ready.
fn address_space_octets() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kilobytes.map(|count: u64| count << 10).ok_or_else(|| io::Error::other("no VmSize in /proc"))
}

/// System calls that reading a document takes: its request, its memory, its answer, its end.
pub const CALLS: [i64; 17] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_clock_gettime,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The number of `prctl` by which an allocator names its memory.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Lets only [`CALLS`] through, and memory that is not code.
pub fn system_calls() -> Result<(), seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.into_iter().map(|call| (call, Vec::new())).collect();
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let when = |argument: u8, operator, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
        SeccompRule::new(vec![condition])
    };
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![when(2, SeccompCmpOp::MaskedEq(executable), 0)?]);
    }
    rules.insert(libc::SYS_prctl, vec![when(0, SeccompCmpOp::Eq, PR_SET_VMA)?]);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    // This also sets no_new_privs.
    seccompiler::apply_filter(&program)
}
