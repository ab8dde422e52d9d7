//! A ZIP of XML entries: found by name, unpacked into memory up to a limit, told apart.
//!
//! Sizes that the package declares are not believed: what comes out is counted.

use crate::{Error, Limits, odf, ooxml, output::Output, xml::Xml};
use std::io::{Cursor, Read as _};
use zip::{ZipArchive, result::ZipError};

/// Reads a package of either family.
pub(crate) fn read(document: &[u8], limits: &Limits, output: &mut Output) -> Result<(), Error> {
    let mut package = Package::open(document, limits)?;
    if package.has("[Content_Types].xml") {
        return ooxml::read(&mut package, output);
    }
    if package.has("content.xml") {
        return odf::read(&mut package, output);
    }
    Err(Error::Malformed("a ZIP without a document"))
}

/// An open package.
pub(crate) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    unpacked_octets_left: usize,
    depth_max: usize,
}

impl<'a> Package<'a> {
    fn open(document: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let archive = ZipArchive::new(Cursor::new(document)).map_err(|error| shown(&error))?;
        if archive.len() > limits.entries_max {
            return Err(Error::Limit("entries_max"));
        }
        Ok(Self {
            archive,
            unpacked_octets_left: limits.unpacked_octets_max,
            depth_max: limits.depth_max,
        })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.archive.index_for_name_raw(name.as_bytes()).is_some()
    }

    /// Names between a prefix and an ending, by the number in between: `slide2` before `slide10`.
    pub(crate) fn names(&self, prefix: &str, ending: &str) -> Vec<String> {
        let mut found: Vec<(u32, String)> = Vec::new();
        for name in self.archive.file_names_raw() {
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let inner = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(ending));
            let Some(inner) = inner.filter(|inner| !inner.contains('/')) else { continue };
            found.push((inner.parse().unwrap_or_default(), name.to_owned()));
        }
        found.sort();
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// An entry's XML; empty when there is no such entry.
    pub(crate) fn xml(&mut self, name: &str) -> Result<Xml, Error> {
        let Some(at) = self.archive.index_for_name_raw(name.as_bytes()) else {
            return Ok(Xml::new(&[], self.depth_max));
        };
        let entry = self.archive.by_index(at).map_err(|error| shown(&error))?;
        let mut octets = Vec::new();
        let left = self.unpacked_octets_left;
        let most = (left as u64).saturating_add(1);
        entry.take(most).read_to_end(&mut octets).map_err(|_| Error::Malformed("an entry"))?;
        self.unpacked_octets_left =
            left.checked_sub(octets.len()).ok_or(Error::Limit("unpacked_octets_max"))?;
        Ok(Xml::new(&octets, self.depth_max))
    }
}

fn shown(error: &ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            Error::Encrypted
        }
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            Error::Malformed("a ZIP of a kind that documents do not have")
        }
        _ => Error::Malformed("not a ZIP"),
    }
}
