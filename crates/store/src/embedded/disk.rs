//! What the log needs of a file system, so that tests can put a faulty one under it.
//!
//! Invariants: a file exists durably, name included, when [`Disk::create`] returns; octets written
//! are durable when [`DiskFile::sync`] returns and may be lost, in any part, before. Nobody retries
//! a failed sync: what the disk holds is unknown after it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Octets written at once when a file is filled with zeros.
const FILL_OCTETS: usize = 1 << 20;
/// What writes past the page cache must be aligned to; no disk asks for more.
pub const BLOCK_OCTETS: u64 = 4096;

/// How the octets of a new file come about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// Written with zeros and synced: slow to make, but overwriting it later changes no metadata
    /// of the file system, which halves the time of a sync.
    Zeros,
    /// Space reserved only: quick to make.
    Reserved,
}

/// Room of the file system, in octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Free for this process.
    pub free: u64,
    /// In all.
    pub total: u64,
}

/// A folder of files.
pub trait Disk: Send + Sync + 'static {
    /// Names of its files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens an existing file.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a new file that reads as `octets` zeros, durable with its name.
    fn create(&self, name: &str, octets: u64, fill: Fill) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file; handles that are open go on reading it.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Room left.
    fn space(&self) -> io::Result<Space>;
}

/// An open file. Offsets and lengths are in octets.
pub trait DiskFile: Send + Sync {
    /// Its length.
    fn size(&self) -> io::Result<u64>;
    /// Reads at an offset until `into` is full or the file ends; gives the octets read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `octets`. After an error any part of them may be there.
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// Makes durable what was written (fdatasync).
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file.
    fn truncate(&self, octets: u64) -> io::Result<()>;
}

/// A folder of the operating system.
pub struct Folder(PathBuf);

impl Folder {
    /// Opens a folder, making it if need be.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::create_dir_all(path)?;
            if let Some(parent) = path.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self(path.to_owned()))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

struct Real(File);

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name()));
        let names: io::Result<Vec<_>> = names.collect();
        Ok(names?.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.0.join(name))?;
        Ok(Arc::new(Real(file)))
    }

    fn create(&self, name: &str, octets: u64, fill: Fill) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.0.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let filled = reserve(&file, octets).and_then(|()| match fill {
            Fill::Zeros => zero_directly(&path, octets).or_else(|_| zero(&file, octets)),
            Fill::Reserved => Ok(()),
        });
        let made = filled.and_then(|()| file.sync_all()).and_then(|()| self.sync());
        if let Err(error) = made {
            // Half a file must not keep the room that is missing.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Arc::new(Real(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))?;
        self.sync()
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(&self.0)?;
        Ok(Space { free: stat.f_bavail * stat.f_frsize, total: stat.f_blocks * stat.f_frsize })
    }
}

fn reserve(file: &File, octets: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, octets) {
        // Some file systems cannot reserve; the length alone is right everywhere.
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(octets),
        done => Ok(done?),
    }
}

fn zero(file: &File, octets: u64) -> io::Result<()> {
    zero_from(file, octets, &vec![0; FILL_OCTETS])
}

/// The same past the page cache, which spares copying every octet. Not every file system can.
fn zero_directly(path: &Path, octets: u64) -> io::Result<()> {
    let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap_or(0);
    let file = OpenOptions::new().write(true).custom_flags(direct).open(path)?;
    let block = BLOCK_OCTETS as usize;
    let zeros = vec![0; FILL_OCTETS + block];
    let start = zeros.as_ptr().addr().next_multiple_of(block) - zeros.as_ptr().addr();
    let zeros = zeros.get(start..start + FILL_OCTETS).unwrap_or_default();
    let whole = octets / BLOCK_OCTETS * BLOCK_OCTETS;
    zero_from(&file, whole, zeros)?;
    if whole == octets { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

fn zero_from(file: &File, octets: u64, zeros: &[u8]) -> io::Result<()> {
    let mut at = 0;
    while at < octets {
        let step = usize::try_from(octets - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all_at(zeros.get(..step).unwrap_or_default(), at)?;
        at += step as u64;
    }
    Ok(())
}

impl DiskFile for Real {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.0.write_all_at(octets, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, octets: u64) -> io::Result<()> {
        self.0.set_len(octets)
    }
}
