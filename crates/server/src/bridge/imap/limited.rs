//! MESSAGELIMIT and SAVELIMIT (RFC 9738): how many messages one command may take. Of more, the
//! newest are taken and the answer names the oldest of them, so that the client goes on below it;
//! what cannot be done in part (COPY, MOVE) is refused.

use super::{Imap, Selected};
use imap::{
    Session,
    effect::{Effect, Refusal},
    types::{SearchKey, SequenceSet, SetNumber},
};
use mail::NumberSet;

impl Imap {
    /// The effect on no more messages than a command may take.
    pub(super) fn within_limits(
        &mut self,
        session: &Session,
        mut effect: Effect,
    ) -> Result<Effect, Refusal> {
        let limits = session.limits();
        let (max, saved_max) = (limits.command_messages_max, limits.saved_messages_max);
        let Some(selected) = self.selected.as_deref_mut() else { return Ok(effect) };
        let mut told = None;
        match &mut effect {
            Effect::Fetch { set, uid, modifiers, .. } if max > 0 => match modifiers.partial {
                // The client said how many.
                Some(window) if window.first.abs_diff(window.last) >= max => {
                    return Err(Refusal::MessageLimit(max));
                }
                Some(_) => {}
                None => told = newest(selected, (set, *uid), max),
            },
            Effect::Store { set, uid, .. } if max > 0 => {
                told = newest(selected, (set, *uid), max);
            }
            Effect::Expunge { uids } if max > 0 => {
                let all = || SequenceSet::Ranges(vec![(SetNumber::Number(1), SetNumber::Star)]);
                let mut set = uids.clone().unwrap_or_else(all);
                let deleted = selected.deleted(&set);
                if deleted.len() > max.into() {
                    set = ranges(&deleted);
                    told = newest(selected, (&mut set, true), max);
                    *uids = Some(set);
                }
            }
            Effect::Search { key, .. } | Effect::Sort { key, .. } | Effect::Thread { key, .. }
                if max > 0 =>
            {
                let (mut set, uid) = searched(key);
                told = newest(selected, (&mut set, uid), max);
                if told.is_some() {
                    let within = if uid { SearchKey::Uid(set) } else { SearchKey::Sequence(set) };
                    let asked = std::mem::replace(key, SearchKey::All);
                    *key = SearchKey::And(vec![within, asked]);
                }
            }
            Effect::Copy { set, uid, .. } if max > 0 || saved_max > 0 => {
                let max = [max, saved_max].into_iter().filter(|max| *max > 0).min().unwrap_or(0);
                let (numbers, kind) = selected.resolve(set, *uid);
                if selected.view.sequences(&numbers, kind).len() > max.into() {
                    return Err(Refusal::MessageLimit(max));
                }
            }
            _ => {}
        }
        self.limited = told.map(String::into_boxed_str);
        Ok(effect)
    }
}

impl Selected {
    /// Uids of the messages of a set of Uids that have `\Deleted`.
    fn deleted(&mut self, set: &SequenceSet) -> NumberSet {
        let (set, numbers) = self.resolve(set, true);
        let rows = self.view.rows(&set, numbers, 1, usize::MAX);
        let deleted = rows.iter().filter(|row| row.system.contains(mail::SystemFlags::DELETED));
        NumberSet::of_numbers(deleted.map(|row| row.uid.0))
    }
}

/// Leaves the newest messages of a set, when it has more; gives what is to be told then.
fn newest(
    selected: &mut Selected,
    (set, uid): (&mut SequenceSet, bool),
    max: u32,
) -> Option<String> {
    let (numbers, kind) = selected.resolve(set, uid);
    let all = selected.view.sequences(&numbers, kind);
    let over = all.len().checked_sub(max.into()).filter(|over| *over > 0)?;
    let kept = NumberSet::of_numbers(all.iter().skip(usize::try_from(over).unwrap_or(usize::MAX)));
    let uids = selected.view.uids(&kept);
    let lowest = uids.iter().next()?;
    *set = ranges(if uid { &uids } else { &kept });
    Some(format!("MESSAGELIMIT {max} {lowest}"))
}

/// The messages that a search names itself: clients go through a mailbox with such.
fn searched(key: &SearchKey) -> (SequenceSet, bool) {
    let all = (SequenceSet::Ranges(vec![(SetNumber::Number(1), SetNumber::Star)]), false);
    let named = |key: &SearchKey| match key {
        SearchKey::Sequence(set) => Some((set.clone(), false)),
        SearchKey::Uid(set) => Some((set.clone(), true)),
        _ => None,
    };
    match key {
        SearchKey::And(keys) => keys.iter().find_map(named),
        key => named(key),
    }
    .unwrap_or(all)
}

fn ranges(numbers: &NumberSet) -> SequenceSet {
    let number = |(first, last): &(u32, u32)| (SetNumber::Number(*first), SetNumber::Number(*last));
    SequenceSet::Ranges(numbers.ranges().iter().map(number).collect())
}
