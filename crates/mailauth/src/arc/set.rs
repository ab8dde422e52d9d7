//! The ARC sets of a header (RFC 8617 §4.2, §5.2 steps 1 to 3).

use super::Status;
use crate::dkim::tags::Tags;
use mail::header::{Field, fields};

/// Sets of one message (§4.2.1: "Instance tag values can range from 1-50").
pub const SETS_MAX: usize = 50;

pub const RESULTS: &str = "ARC-Authentication-Results";
pub const MESSAGE_SIGNATURE: &str = "ARC-Message-Signature";
pub const SEAL: &str = "ARC-Seal";

/// The three fields of one instance.
pub struct Set<'a> {
    pub results: Field<'a>,
    pub message_signature: Field<'a>,
    pub seal: Field<'a>,
}

/// Fields of one instance, as they are found.
#[derive(Default)]
struct Slot<'a> {
    results: Option<Field<'a>>,
    message_signature: Option<Field<'a>>,
    seal: Option<Field<'a>>,
}

/// The sets of a header, the first first; empty where there is no ARC.
///
/// # Errors
/// Why the chain has failed.
pub fn collect(header: &[u8], octets_max: usize) -> Result<Vec<Set<'_>>, &'static str> {
    let mut slots: Vec<Slot<'_>> = Vec::new();
    let (mut octets, mut fault) = (0, None);
    for field in fields(header) {
        let known = [RESULTS, MESSAGE_SIGNATURE, SEAL].iter().find(|name| field.is(name));
        let Some(name) = known else { continue };
        octets += field.raw.len();
        if octets > octets_max {
            return Err("the ARC fields are too long");
        }
        let instance = if *name == RESULTS {
            results(field.value).map(|(instance, _)| instance)
        } else {
            Tags::parse(field.value).and_then(|tags| position(tags.value("i")?))
        };
        // §5.2 step 1: "If more than the maximum number exist", the chain has failed; a higher
        // instance is as good as so many sets.
        let Some(instance) = instance else {
            fault = fault.or(Some("an ARC field has no instance from 1 to 50"));
            continue;
        };
        if slots.len() < instance {
            slots.resize_with(instance, Slot::default);
        }
        let Some(slot) = slots.get_mut(instance - 1) else { continue };
        let place = match *name {
            RESULTS => &mut slot.results,
            MESSAGE_SIGNATURE => &mut slot.message_signature,
            _ => &mut slot.seal,
        };
        if place.replace(field).is_some() {
            fault = fault.or(Some("an ARC set has a field twice"));
        }
    }
    // Step 2: what was found to have failed stays so, whatever else is wrong with it.
    let newest = slots.last().and_then(|slot| slot.seal);
    if newest.and_then(|seal| status(&seal)) == Some(Status::Fail) {
        return Err("a host before found that the chain had failed");
    }
    match fault {
        Some(fault) => Err(fault),
        None => structure(slots),
    }
}

/// Step 3: every set whole, and each seal's `cv=` as it must be.
fn structure(slots: Vec<Slot<'_>>) -> Result<Vec<Set<'_>>, &'static str> {
    let mut sets = Vec::with_capacity(slots.len());
    for slot in slots {
        let Slot { results: Some(results), message_signature: Some(signed), seal: Some(seal) } =
            slot
        else {
            return Err("an ARC set is not whole");
        };
        let wanted = if sets.is_empty() { Status::None } else { Status::Pass };
        if status(&seal) != Some(wanted) {
            return Err("cv= of a seal is not what it must be");
        }
        sets.push(Set { results, message_signature: signed, seal });
    }
    Ok(sets)
}

fn status(seal: &Field<'_>) -> Option<Status> {
    let tags = Tags::parse(seal.value)?;
    Status::parse(&tags.value("cv")?.to_ascii_lowercase())
}

/// `position = 1*2DIGIT ; 1 - 50`
fn position(text: &str) -> Option<usize> {
    let good = (1..=2).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    let number = text.parse().ok().filter(|_| good)?;
    (1..=SETS_MAX).contains(&number).then_some(number)
}

/// ```abnf
/// arc-info = instance [CFWS] ";" authres-payload
/// instance = [CFWS] %s"i" [CFWS] "=" [CFWS] position
/// ```
/// The instance, and where the payload begins.
pub fn results(value: &[u8]) -> Option<(usize, &[u8])> {
    let end = value.iter().position(|octet| *octet == b';')?;
    let (head, payload) = (value.get(..end)?, value.get(end + 1..)?);
    let head = without_comments(std::str::from_utf8(head).ok()?)?;
    let (name, number) = head.split_once('=')?;
    let number = number.trim();
    (name.trim() == "i").then(|| position(number))?.map(|instance| (instance, payload))
}

/// Text with comments gone; `None` for one that does not end.
fn without_comments(text: &str) -> Option<String> {
    let (mut out, mut depth) = (String::new(), 0_u32);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    (depth == 0).then_some(out)
}
