//! ESEARCH: one search after another in several mailboxes (RFC 7377).

use super::{Imap, Selected, Work, mailbox, refusal::Stop, search::Searching};
use account::{Account, MailboxInfo, MailboxName, types::SEPARATOR};
use imap::{
    Session,
    effect::{Done, Refusal},
    types::Permanent,
    types::{MailboxFilter, SearchKey, SearchReturn},
};
use mail::{MailboxId, NumberSet};
use std::{collections::BTreeSet, sync::Arc};

/// An ESEARCH between two steps.
pub(super) struct MultiSearching {
    key: SearchKey,
    returns: SearchReturn,
    /// Mailboxes still to be searched, by name.
    next: std::vec::IntoIter<MailboxInfo>,
    /// The mailbox that the session has selected: its own numbers count there.
    selected: Option<MailboxId>,
    /// What is being searched; without a view of its own in the session's.
    current: Option<(Option<Box<Selected>>, Box<Searching>)>,
}

impl Imap {
    pub(super) async fn multi_search(
        &mut self,
        session: &mut Session,
        (sources, key, returns): (Vec<MailboxFilter>, SearchKey, SearchReturn),
    ) -> Result<Done, Stop> {
        // A mailbox of another account is not one's own that has the same number.
        let selected = self.selected.as_deref().filter(|_| !self.is_foreign());
        let selected = selected.map(|selected| selected.view.mailbox());
        let account = self.account()?;
        let mut chosen = BTreeSet::new();
        for source in &sources {
            choose(account, source, selected, &mut chosen);
        }
        let all = account.mailboxes();
        let next: Vec<_> = all.into_iter().filter(|info| chosen.contains(&info.id.0)).collect();
        let messages: u64 = next.iter().map(|info| u64::from(info.exists)).sum();
        let max = session.limits().command_messages_max;
        if max > 0 && messages > max.into() {
            return Err(Refusal::MessageLimit(max).into());
        }
        // What the session has selected may be named by name: then it is as any other.
        // UPDATE "MUST apply only to the currently selected mailbox" (§2.2), however that is named.
        let as_selected = sources.contains(&MailboxFilter::Selected) || returns.update;
        let selected = selected.filter(|_| as_selected);
        let next = next.into_iter();
        let work = MultiSearching { key, returns, next, selected, current: None };
        self.begin(session, Work::MultiSearch(Box::new(work))).await
    }
}

/// Ids of the mailboxes that a filter names; those that do not exist are passed over.
fn choose(
    account: &Account,
    filter: &MailboxFilter,
    selected: Option<MailboxId>,
    chosen: &mut BTreeSet<u32>,
) {
    let all = account.mailboxes();
    let mut take = |wanted: &dyn Fn(&MailboxInfo) -> bool| {
        chosen.extend(all.iter().filter(|info| wanted(info)).map(|info| info.id.0));
    };
    let names = |texts: &[String]| -> Vec<MailboxName> {
        texts.iter().filter_map(|text| mailbox::name(text).ok()).collect()
    };
    match filter {
        MailboxFilter::Selected | MailboxFilter::SelectedDelayed => {
            chosen.extend(selected.map(|id| id.0));
        }
        MailboxFilter::Inboxes => take(&|info| info.name == MailboxName::inbox()),
        MailboxFilter::Personal => take(&|_| true),
        MailboxFilter::Subscribed => take(&|info| info.subscribed),
        MailboxFilter::Mailboxes(texts) => {
            let names = names(texts);
            take(&|info| names.contains(&info.name));
        }
        MailboxFilter::Subtree(texts) => {
            let names = names(texts);
            take(&|info| names.iter().any(|top| levels_below(top, &info.name).is_some()));
        }
        MailboxFilter::SubtreeOne(texts) => {
            let names = names(texts);
            let near = |info: &MailboxInfo, top| {
                levels_below(top, &info.name).is_some_and(|levels| levels <= 1)
            };
            take(&|info| names.iter().any(|top| near(info, top)));
        }
    }
}

/// How many levels a name is below another: 0 is the name itself.
pub(super) fn levels_below(top: &MailboxName, name: &MailboxName) -> Option<usize> {
    let rest = name.as_str().strip_prefix(top.as_str())?;
    match rest.strip_prefix(SEPARATOR) {
        Some(below) => Some(below.split(SEPARATOR).count()),
        None => rest.is_empty().then_some(0),
    }
}

impl MultiSearching {
    pub async fn step(
        &mut self,
        session: &mut Session,
        imap: (&mut Option<Box<Selected>>, &Arc<Account>),
    ) -> Result<Done, Stop> {
        let (session_view, account) = imap;
        if self.current.is_none() {
            let Some(info) = self.next.next() else { return Ok(Done::Ok(None)) };
            self.current = self.open(&info, session_view, account)?;
        }
        // A mailbox that is gone meanwhile has nothing to be found.
        let Some((own, searching)) = &mut self.current else { return Ok(Done::More) };
        let selected = match own {
            Some(own) => &mut **own,
            None => session_view.as_deref_mut().ok_or(Refusal::Bug)?,
        };
        if searching.step(session, selected).await? == Done::Ok(None) {
            self.current = None;
        }
        Ok(Done::More)
    }

    /// Begins with a mailbox.
    #[allow(clippy::type_complexity)]
    fn open(
        &self,
        info: &MailboxInfo,
        session_view: &mut Option<Box<Selected>>,
        account: &Arc<Account>,
    ) -> Result<Option<(Option<Box<Selected>>, Box<Searching>)>, Stop> {
        let mut own = None;
        if self.selected != Some(info.id) {
            let Ok(view) = account.select(info.id, true) else { return Ok(None) };
            let (saved, keywords_told) = (NumberSet::default(), 0);
            let told = info.highest_modseq;
            own = Some(Box::new(Selected {
                view,
                saved,
                keywords_told,
                foreign: None,
                permanent: Permanent::NONE,
                told,
                contexts: None,
            }));
        }
        let selected = match &mut own {
            Some(own) => own,
            None => session_view.as_mut().ok_or(Refusal::Bug)?,
        };
        let mut searching = Searching::new(selected, &self.key, true, self.returns.clone());
        searching.names(info.name.as_str(), info.uid_validity);
        Ok(Some((own, Box::new(searching))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let name = |text| MailboxName::parse(text).unwrap();
        let below = |top, text| levels_below(&name(top), &name(text));
        assert_eq!(below("A", "A"), Some(0));
        assert_eq!(below("A", "A/B"), Some(1));
        assert_eq!(below("A", "A/B/C"), Some(2));
        assert_eq!(below("A", "AB"), None);
        assert_eq!(below("A/B", "A"), None);
    }
}
