//! Sealing (RFC 8617 §5.1).

use super::{
    Limits, Status,
    set::{self, MESSAGE_SIGNATURE, RESULTS, SEAL, SETS_MAX},
};
use crate::{
    dkim::{
        Canonical, SigningKey,
        header::{Header, write},
        sign::names,
    },
    results::Results,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail::header::fields;

/// Why a message is not sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoSeal {
    /// The chain had failed before it came, or nobody can say what its next instance is.
    Ended,
    /// There are [`SETS_MAX`] sets.
    Full,
    /// The key cannot sign.
    Key,
}

/// The fields of one more set for the top of a message, with line ends. `results` is what we found
/// when it came, `status` what its chain was then; `body` is its body's relaxed hash
/// ([`crate::dkim::BodyHash`]); `now`: seconds since 1970.
///
/// # Errors
/// [`NoSeal`]
pub fn seal(
    key: &SigningKey,
    (header, body): (&[u8], &[u8; 32]),
    (results, status): (&Results, Status),
    now: i64,
) -> Result<String, NoSeal> {
    let sets = set::collect(header, Limits::default().chain_octets_max);
    let sets = sets.map_err(|_| NoSeal::Ended)?;
    if sets.is_empty() != (status == Status::None) {
        return Err(NoSeal::Ended);
    }
    if sets.len() >= SETS_MAX {
        return Err(NoSeal::Full);
    }
    let instance = (sets.len() + 1).to_string();
    let head = format!("{RESULTS}: i={instance}; ");
    let found = format!("{head}{}\r\n", results.value(head.len()));
    let signed = message_signature(key, (header, body), (&instance, now)).ok_or(NoSeal::Key)?;
    let mut text = Vec::new();
    // §5.1.2: of a chain that failed only the newest set is covered.
    let covered = if status == Status::Fail { &[] } else { sets.as_slice() };
    for set in covered {
        for field in [&set.results, &set.message_signature, &set.seal] {
            write(field, Canonical::Relaxed, &mut text);
        }
    }
    for own in [&found, &signed] {
        for field in fields(own.as_bytes()) {
            write(&field, Canonical::Relaxed, &mut text);
        }
    }
    let tags = [
        ("i", instance),
        ("a", key.algorithm().as_str().to_owned()),
        ("t", now.to_string()),
        ("cv", status.as_str().to_owned()),
        ("d", key.domain().to_owned()),
        ("s", key.selector().to_owned()),
    ];
    let seal = key.finish_over(SEAL, &tags, text).map_err(|_| NoSeal::Key)?;
    Ok(format!("{seal}{signed}{found}"))
}

/// §4.1.2: what DKIM would sign, and the DKIM signatures that came with it.
fn message_signature(
    key: &SigningKey,
    (header, body): (&[u8], &[u8; 32]),
    (instance, now): (&str, i64),
) -> Option<String> {
    let header = Header::new(header);
    let mut names = names(&header);
    let signatures = header.count("DKIM-Signature");
    names.extend(std::iter::repeat_n("DKIM-Signature".to_owned(), signatures));
    let tags = [
        ("i", instance.to_owned()),
        ("a", key.algorithm().as_str().to_owned()),
        ("c", "relaxed/relaxed".to_owned()),
        ("d", key.domain().to_owned()),
        ("s", key.selector().to_owned()),
        ("t", now.to_string()),
        ("h", names.join(":")),
        ("bh", STANDARD.encode(body)),
    ];
    key.finish(MESSAGE_SIGNATURE, &tags, (&header, &names)).ok()
}
