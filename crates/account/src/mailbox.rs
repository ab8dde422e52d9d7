//! A mailbox's record, and names.

use crate::{
    Error, Refused, SpecialUse,
    codec::{Reader, Writer},
    types::MailboxName,
};
use unicode_normalization::UnicodeNormalization;

/// What is stored of a mailbox besides its messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MailboxRecord {
    pub name: MailboxName,
    pub uid_validity: u32,
    pub special_use: Option<SpecialUse>,
    /// The commit that wrote this.
    pub modseq: u64,
}

const USES: [SpecialUse; 8] = [
    SpecialUse::Archive,
    SpecialUse::Drafts,
    SpecialUse::Flagged,
    SpecialUse::Junk,
    SpecialUse::Sent,
    SpecialUse::Trash,
    SpecialUse::All,
    SpecialUse::Important,
];

impl MailboxRecord {
    pub fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        let at = USES.iter().position(|one| Some(*one) == self.special_use);
        let code = at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0);
        to.byte(1).bytes(self.name.as_str().as_bytes()).number(u64::from(self.uid_validity));
        to.byte(code).number(self.modseq);
        to.0
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        if from.byte()? != 1 {
            return None;
        }
        Some(Self {
            name: MailboxName::parse(from.text()?).ok()?,
            uid_validity: from.number32()?,
            special_use: match from.byte()? {
                0 => None,
                code => Some(*USES.get(usize::from(code) - 1)?),
            },
            modseq: from.number()?,
        })
    }
}

/// Octets of a name.
const NAME_OCTETS_MAX: usize = 1_000;
/// Levels of a name.
const NAME_LEVELS_MAX: usize = 32;

/// A name in its one form: NFC, INBOX in capitals as first level, levels not empty.
pub(crate) fn normal(text: &str) -> Result<String, Error> {
    if text.len() > 4 * NAME_OCTETS_MAX {
        return Err(Refused::BadMailboxName.into());
    }
    let text = text.nfc().collect::<String>();
    let bad = text.is_empty()
        || text.len() > NAME_OCTETS_MAX
        || text.chars().any(|c| c.is_control() || matches!(c, '%' | '*'))
        || text.split('/').any(str::is_empty)
        || text.split('/').count() > NAME_LEVELS_MAX;
    if bad {
        return Err(Refused::BadMailboxName.into());
    }
    let (first, rest) = text.split_once('/').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let first = if first.eq_ignore_ascii_case("INBOX") { "INBOX" } else { first };
    Ok(rest.map_or_else(|| first.to_owned(), |rest| format!("{first}/{rest}")))
}
