//! Compression: zstd, with contexts kept per thread.

use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// Octets of a record, unpacked.
pub(crate) const RECORD_OCTETS_MAX: usize = 16 << 20;

thread_local! {
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// One octet that says how, then the bytes: 0 as they are, 1 zstd.
pub(crate) fn compress(plain: &[u8], level: i32) -> Vec<u8> {
    let packed = COMPRESSOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(at, _)| *at != level) {
            *slot = Compressor::new(level).ok().map(|new| (level, new));
        }
        slot.as_mut().and_then(|(_, compressor)| compressor.compress(plain).ok())
    });
    let (how, bytes) = match &packed {
        Some(packed) if packed.len() < plain.len() => (1, packed.as_slice()),
        _ => (0, plain),
    };
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.push(how);
    out.extend_from_slice(bytes);
    out
}

/// What [`compress`] was given; `None` for damaged bytes or more than `octets_max`.
pub(crate) fn decompress(packed: &[u8], octets_max: usize) -> Option<Vec<u8>> {
    let (how, bytes) = packed.split_first()?;
    match how {
        0 => Some(bytes.to_vec()),
        1 => {
            let size = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten()?;
            let size = usize::try_from(size).ok().filter(|size| *size <= octets_max)?;
            DECOMPRESSOR.with_borrow_mut(|slot| {
                if slot.is_none() {
                    *slot = Decompressor::new().ok();
                }
                slot.as_mut()?.decompress(bytes, size).ok()
            })
        }
        _ => None,
    }
}
