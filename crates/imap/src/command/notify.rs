//! NOTIFY (RFC 5465).

use super::{Next, fetch, filter};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::{EventGroup, Events, MailboxFilter, NotifySet};

/// `notify = "NOTIFY" SP ("SET" [SP "STATUS"] SP event-groups / "NONE")`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let ok = "NOTIFY completed";
    if cursor.eat_word("NONE") {
        cursor.end()?;
        return Ok(Next::ask(Effect::Notify(None), ok));
    }
    if !cursor.eat_word("SET") {
        return Err(Answer::syntax("Expected SET or NONE"));
    }
    cursor.space()?;
    let status = cursor.eat_word("STATUS");
    if status {
        cursor.space()?;
    }
    let max = session.limits().notify_groups_max;
    let mut groups = Vec::new();
    loop {
        if groups.len() >= max {
            return Err(answer::NOTIFY_OVERFLOW);
        }
        groups.push(group(session, cursor)?);
        if cursor.at_end() {
            break;
        }
        cursor.space()?;
    }
    // Each name is looked for at each change.
    let names: usize = groups.iter().map(|group| group.filter.names().len()).sum();
    if names > session.limits().filter_mailboxes_max {
        return Err(answer::NOTIFY_OVERFLOW);
    }
    // §6.1: "Only one of the mailbox specifiers affecting the currently selected mailbox can be
    // specified in any NOTIFY command."
    if groups.iter().filter(|group| of_selected(&group.filter)).count() > 1 {
        return Err(Answer::syntax("One of SELECTED and SELECTED-DELAYED, once"));
    }
    Ok(Next::ask(Effect::Notify(Some(Box::new(NotifySet { status, groups }))), ok))
}

const fn of_selected(filter: &MailboxFilter) -> bool {
    matches!(filter, MailboxFilter::Selected | MailboxFilter::SelectedDelayed)
}

/// `event-group = "(" filter-mailboxes SP events ")"`
fn group(session: &Session, cursor: &mut Cursor<'_>) -> Result<EventGroup, Answer> {
    cursor.expect(b'(', "Expected (")?;
    let filter = filter::filter(session, cursor)?;
    if matches!(filter, MailboxFilter::SubtreeOne(_)) {
        // RFC 7377 §2.2: of ESEARCH alone.
        return Err(Answer::syntax("Unknown mailbox filter"));
    }
    cursor.space()?;
    let mut events = Events::default();
    if !cursor.eat_word("NONE") {
        if cursor.peek() == Some(b'(') {
            cursor.list(|cursor| event(cursor, &mut events))?;
        } else {
            // As in the example of §3.1.
            event(cursor, &mut events)?;
        }
    }
    cursor.expect(b')', "Expected )")?;
    allowed(&filter, &events)?;
    Ok(EventGroup { filter, events })
}

/// §5: which events go together.
fn allowed(filter: &MailboxFilter, events: &Events) -> Result<(), Answer> {
    if events.message_new != events.message_expunge {
        return Err(Answer::syntax("MessageNew and MessageExpunge go together"));
    }
    if events.flag_change && !events.message_new {
        return Err(Answer::syntax("FlagChange needs MessageNew and MessageExpunge"));
    }
    let others = events.mailbox_name
        || events.subscription_change
        || events.mailbox_metadata_change
        || events.server_metadata_change;
    if of_selected(filter) && others {
        return Err(Answer::syntax("Only events of messages happen in the selected mailbox"));
    }
    if !of_selected(filter) && !events.new_items.is_empty() {
        return Err(Answer::syntax("Only of the selected mailbox are messages fetched"));
    }
    Ok(())
}

fn event(cursor: &mut Cursor<'_>, events: &mut Events) -> Result<(), Answer> {
    match cursor.atom()?.to_ascii_uppercase().as_str() {
        "MESSAGENEW" => {
            events.message_new = true;
            if let Some(items) = fetch::items_in_list(cursor)? {
                events.new_items = items;
            }
        }
        "MESSAGEEXPUNGE" => events.message_expunge = true,
        "FLAGCHANGE" => events.flag_change = true,
        "MAILBOXNAME" => events.mailbox_name = true,
        "SUBSCRIPTIONCHANGE" => events.subscription_change = true,
        "MAILBOXMETADATACHANGE" => events.mailbox_metadata_change = true,
        "SERVERMETADATACHANGE" => events.server_metadata_change = true,
        // §3.1: "the server MUST refuse the command with a tagged NO response (not a BAD)".
        _ => return Err(answer::BAD_EVENT),
    }
    Ok(())
}
