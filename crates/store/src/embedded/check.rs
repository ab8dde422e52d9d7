//! Makes the index anew from the log, and compares the two. Both on a store that nobody has open.

use super::{
    Options, Report, index,
    index::Index,
    index_folder, lock, log_folder,
    recover::{Recovered, Way, recover},
};
use crate::Error;
use std::path::Path;

/// Makes the index of a store anew from its log alone. Blocks; [`Error::InUse`] while it is open.
pub fn rebuild(folder: &Path, options: &Options) -> Result<Report, Error> {
    let _lock = lock(folder)?;
    let path = index_folder(folder);
    let way = Way { index: &path, rebuild: true, look_only: false };
    let Recovered { index, mut applier, mut report, .. } =
        recover(&log_folder(folder)?, options, way)?;
    applier.checkpoint();
    index.flush()?;
    index.compact_all()?;
    report.entries = entries(&index).count() as u64;
    Ok(report)
}

/// Makes a second index from the log, bodies checked, and compares it with the one that is there.
/// Changes nothing; needs room for that second index. Blocks; [`Error::InUse`] while it is open.
pub fn check(folder: &Path, options: &Options) -> Result<Report, Error> {
    let _lock = lock(folder)?;
    let path = index_folder(folder);
    let way = Way { index: &path, rebuild: false, look_only: true };
    let kept = match recover(&log_folder(folder)?, options, way) {
        Err(Error::Damaged(what)) => Err(what),
        kept => Ok(kept?),
    };
    let path = folder.join("index.check");
    let way = Way { index: &path, rebuild: true, look_only: true };
    let made = recover(&log_folder(folder)?, options, way)?;
    let mut report = made.report;
    report.rebuilt = false;
    match kept {
        Ok(kept) => compare(&kept.index, &made.index, &mut report)?,
        Err(what) => report.differs(format!("the index cannot be read: {what}")),
    }
    drop(made.index);
    std::fs::remove_dir_all(&path).map_err(|error| index::io_failed(&error))?;
    Ok(report)
}

fn entries(index: &Index) -> index::Found {
    // All but the checkpoint.
    index.range(&[0; index::PREFIX_OCTETS], &[0xff; index::PREFIX_OCTETS])
}

fn compare(kept: &Index, made: &Index, report: &mut Report) -> Result<(), Error> {
    let (mut kept, mut made) = (entries(kept), entries(made));
    let (mut left, mut right) = (kept.next().transpose()?, made.next().transpose()?);
    loop {
        let order = match (&left, &right) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        if order.is_le()
            && let Some((key, value)) = left.take()
        {
            report.entries += 1;
            match &right {
                Some((_, other)) if order.is_eq() && *other != value => {
                    report.differs(format!("{} has another value", describe(&key)));
                }
                Some(_) if order.is_eq() => {}
                _ => report.differs(format!("{} is not in the log", describe(&key))),
            }
            left = kept.next().transpose()?;
        }
        if order.is_ge()
            && let Some((key, _)) = right.take()
        {
            if order.is_gt() {
                report.differs(format!("{} is in the log only", describe(&key)));
            }
            right = made.next().transpose()?;
        }
    }
}

fn describe(key: &[u8]) -> String {
    let Some((account, rest)) = key.split_first_chunk::<4>() else { return "a key".into() };
    let account = u32::from_be_bytes(*account);
    match rest.split_first() {
        Some((&index::HEAD, _)) => format!("the head of account {account}"),
        Some((&index::BLOB, blob)) => {
            let blob = blob.first_chunk().map_or(0, |blob| u64::from_be_bytes(*blob));
            format!("blob {blob} of account {account}")
        }
        Some((_, name)) => format!("key {} of account {account}", name.escape_ascii()),
        None => format!("a key of account {account}"),
    }
}
