//! Dropping root after the ports are bound.
//!
//! Invariants: done while the process has one thread (the kernel keeps credentials by thread),
//! before anything of a peer is read; supplementary groups go first, then the group, then the
//! user; afterwards it is verified that root cannot be had back.

use rustix::{
    fs::{Gid, Uid},
    process::{Resource, Rlimit, geteuid, getgid, getgroups, getrlimit, getuid, setrlimit},
    thread::{set_thread_gid, set_thread_groups, set_thread_res_uid, set_thread_uid},
};
use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

/// A user of this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct User {
    uid: u32,
    gid: u32,
}

/// Whether this process is root.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Finds a user by name in `/etc/passwd`.
pub fn find(name: &str) -> io::Result<User> {
    let text = fs::read_to_string("/etc/passwd")?;
    find_in(&text, name).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("there is no user {name} in /etc/passwd"))
    })
}

/// Whom a folder belongs to; `None` when it is not there or is root's own.
pub fn owner(folder: &Path) -> io::Result<Option<User>> {
    match fs::metadata(folder) {
        Ok(data) => {
            let user = User { uid: data.uid(), gid: data.gid() };
            Ok((user.uid != 0).then_some(user))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// `name:password:uid:gid:…` (passwd(5))
fn find_in(text: &str, name: &str) -> Option<User> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let mut number = || fields.next()?.parse().ok();
    Some(User { uid: number()?, gid: number()? })
}

/// Gives a folder and what is in it directly to a user, so that a data folder made by root can be
/// used after [`become_user`]. Does not follow symbolic links.
pub fn give(folder: &Path, user: User) -> io::Result<()> {
    std::os::unix::fs::lchown(folder, Some(user.uid), Some(user.gid))
}

/// Becomes that user for good.
pub fn become_user(user: User) -> io::Result<()> {
    if user.uid == 0 {
        return Err(io::Error::other("the user to run as is root"));
    }
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    let is_done = getuid() == uid && geteuid() == uid && getgid() == gid && getgroups()?.is_empty();
    let is_final = set_thread_uid(Uid::ROOT).is_err() && set_thread_gid(Gid::ROOT).is_err();
    if is_done && is_final {
        Ok(())
    } else {
        Err(io::Error::other("root rights could not be given up"))
    }
}

/// Takes as many file descriptors as the machine lets us: a connection needs one.
pub fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let text = "root:x:0:0:root:/root:/bin/sh\npalomar2:x:1:1::/:\npalomar:x:990:991::/:/x\n";
        assert_eq!(find_in(text, "palomar"), Some(User { uid: 990, gid: 991 }));
        assert_eq!(find_in(text, "paloma"), None);
        assert_eq!(find_in("broken:x:a:b", "broken"), None);
    }

    #[test]
    fn root_is_not_a_user_to_become() {
        assert!(become_user(User { uid: 0, gid: 0 }).is_err());
    }
}
