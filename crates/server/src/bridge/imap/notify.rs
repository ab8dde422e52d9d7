//! NOTIFY (RFC 5465): what happens in mailboxes is told when it happens.
//!
//! What the client knows of each mailbox is kept and compared with what is: however much happens
//! between two looks, it costs one look and one response a mailbox, so that there is no overflow.
//! Nothing is kept for sessions that did not ask.

use super::{
    Imap,
    multisearch::levels_below,
    place::{SharedMailbox, others},
    refusal::Stop,
};
use account::{Account, MailboxInfo, MailboxName, types::SEPARATOR};
use imap::{
    ListLine, Session, StatusValue,
    effect::Done,
    types::{EventGroup, Events, FetchItem, MailboxFilter, NotifySet, StatusItem},
};
use mail::{AccountId, Address, MailboxId, ModSeq};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    future::{Future, pending, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

/// Names in one unsolicited METADATA response.
const NAMES_MAX: usize = 50;

/// A group of events with its names parsed.
struct Group {
    filter: MailboxFilter,
    names: HashSet<MailboxName>,
    events: Events,
}

impl From<EventGroup> for Group {
    fn from(EventGroup { filter, events }: EventGroup) -> Self {
        let names =
            filter.names().iter().filter_map(|text| super::mailbox::name(text).ok()).collect();
        Self { filter, names, events }
    }
}

/// What a client asked for, and what it knows.
pub(super) struct Notifying {
    groups: Vec<Group>,
    /// What had gathered before is told once, whatever was asked for (§3.1).
    first: bool,
    /// Accounts that are looked at, the user's own first, and how far.
    accounts: Vec<(Arc<Account>, ModSeq)>,
    known: BTreeMap<(AccountId, MailboxId), Known>,
    subscribed: BTreeSet<MailboxName>,
    /// Annotations of the user's own account, up to this commit.
    annotations: ModSeq,
}

/// What the client knows of a mailbox.
#[derive(Clone, PartialEq, Eq)]
struct Known {
    name: MailboxName,
    uid_validity: u32,
    uid_next: u32,
    exists: u32,
    unseen: u32,
    modseq: ModSeq,
}

impl Known {
    fn of(info: &MailboxInfo) -> Self {
        Self {
            name: info.name.clone(),
            uid_validity: info.uid_validity.0,
            uid_next: info.uid_next.0,
            exists: info.exists,
            unseen: info.unseen,
            modseq: info.highest_modseq,
        }
    }
}

/// What a look found.
struct Look {
    mailboxes: BTreeMap<(AccountId, MailboxId), MailboxInfo>,
    subscribed: BTreeSet<MailboxName>,
    user: AccountId,
    selected: Option<(AccountId, MailboxId)>,
    /// Mailboxes of others that may be listed and not read.
    no_access: Vec<MailboxName>,
}

impl Notifying {
    /// Of the selected mailbox.
    fn of_selected(&self) -> Option<&Group> {
        let selected = |group: &&Group| {
            matches!(group.filter, MailboxFilter::Selected | MailboxFilter::SelectedDelayed)
        };
        self.groups.iter().find(selected)
    }

    /// Whether expunges of the selected mailbox are told at any time.
    fn at_once(&self) -> bool {
        self.of_selected().is_some_and(|group| group.filter == MailboxFilter::Selected)
    }

    /// Whether some group wants an event of a mailbox of this name.
    fn wants(&self, look: &Look, name: &MailboxName, event: fn(&Events) -> bool) -> bool {
        self.groups.iter().any(|group| event(&group.events) && names(group, look, name))
    }

    fn any(&self, event: fn(&Events) -> bool) -> bool {
        self.groups.iter().any(|group| event(&group.events))
    }

    /// Whether mailboxes of others are named, or subscribed ones are meant.
    fn names_others(&self, subscribed: &BTreeSet<MailboxName>) -> bool {
        let other =
            |name: &MailboxName| name.as_str().split(SEPARATOR).next() == Some("Other Users");
        self.groups.iter().any(|group| match group.filter {
            MailboxFilter::Subscribed => subscribed.iter().any(other),
            _ => group.names.iter().any(other),
        })
    }

    /// Whose mailboxes are named: they are waited for also while nothing of them may be read, since
    /// that may change (§5.9).
    fn owners(&self) -> Vec<Address> {
        let named = self.groups.iter().flat_map(|group| &group.names);
        let mut all: Vec<Address> =
            named.filter_map(|name| others(name.as_str())).map(|(address, _)| address).collect();
        all.dedup();
        all
    }
}

/// Whether a group is about a mailbox of this name, which is not the selected one as such.
fn names(group: &Group, look: &Look, name: &MailboxName) -> bool {
    match &group.filter {
        MailboxFilter::Selected | MailboxFilter::SelectedDelayed => false,
        MailboxFilter::Inboxes => *name == MailboxName::inbox(),
        MailboxFilter::Personal => others(name.as_str()).is_none(),
        MailboxFilter::Subscribed => look.subscribed.contains(name),
        MailboxFilter::Mailboxes(_) => group.names.contains(name),
        MailboxFilter::Subtree(_) | MailboxFilter::SubtreeOne(_) => {
            let mut text = name.as_str();
            loop {
                let named = MailboxName::parse(text).is_ok_and(|top| group.names.contains(&top));
                match text.rsplit_once(SEPARATOR) {
                    _ if named => return true,
                    Some((above, _)) => text = above,
                    None => return false,
                }
            }
        }
    }
}

impl Imap {
    /// NOTIFY SET and NONE.
    pub(super) async fn notify(
        &mut self,
        session: &mut Session,
        set: Option<NotifySet>,
    ) -> Result<Done, Stop> {
        // NONE: "the client is not interested in any kind of event" (§3.1).
        let wanted = set.is_some();
        let NotifySet { status, groups } =
            set.unwrap_or(NotifySet { status: false, groups: Vec::new() });
        let own = Arc::clone(self.account()?);
        let now = own.modseq();
        let mut notifying = Notifying {
            groups: groups.into_iter().map(Group::from).collect(),
            first: wanted,
            accounts: vec![(own, now)],
            known: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            annotations: now,
        };
        let look = self.look(&mut notifying).await?;
        if status {
            for (key, info) in &look.mailboxes {
                let none = Known { uid_validity: 0, uid_next: 0, ..Known::of(info) };
                let shown = notifying.status(&look, *key, (&none, info), session, true);
                write_status(session, info, &shown);
            }
        }
        for name in &look.no_access {
            // §3.1: what may be seen and not read.
            if notifying.wants(&look, name, |events| *events != Events::default()) {
                session.reply().list(&ListLine {
                    attributes: &["\\NoAccess"],
                    separator: Some(SEPARATOR),
                    mailbox: name.as_str(),
                    ..ListLine::default()
                });
            }
        }
        notifying.learn(look);
        self.notifying = Some(Box::new(notifying));
        session.notify(wanted);
        Ok(Done::Ok(None))
    }

    /// What is now in the accounts that are looked at.
    async fn look(&self, notifying: &mut Notifying) -> Result<Look, Stop> {
        let own = Arc::clone(self.account()?);
        let user = own.id();
        // Before the look: what is committed meanwhile is seen by the next.
        let mut accounts = vec![(Arc::clone(&own), own.modseq())];
        let mut mailboxes = BTreeMap::new();
        for info in own.mailboxes() {
            mailboxes.insert((user, info.id), info);
        }
        let subscribed: BTreeSet<MailboxName> = own.subscriptions().into_iter().collect();
        let mut no_access = Vec::new();
        if notifying.names_others(&subscribed) {
            for address in notifying.owners() {
                if let Some(owner) = self.owner(&address).await?
                    && !accounts.iter().any(|(known, _)| known.id() == owner.id())
                {
                    let seen = owner.modseq();
                    accounts.push((owner, seen));
                }
            }
            for SharedMailbox { account, info, rights } in self.shared_mailboxes().await? {
                if !accounts.iter().any(|(known, _)| known.id() == account.id()) {
                    accounts.push((Arc::clone(&account), account.modseq()));
                }
                // §5: "All event types … require the 'l' and 'r' rights".
                if rights.has(mail::Rights::READ) {
                    mailboxes.insert((account.id(), info.id), info);
                } else {
                    no_access.push(info.name);
                }
            }
        }
        notifying.accounts = accounts;
        let selected = self.selected.as_deref();
        let selected = selected.map(|one| (one.view.account().id(), one.view.mailbox()));
        Ok(Look { mailboxes, subscribed, user, selected, no_access })
    }

    /// Tells what happened in mailboxes that are not selected.
    pub(super) async fn tell_notified(&mut self, session: &mut Session) -> Result<(), Stop> {
        let Some(mut notifying) = self.notifying.take() else { return Ok(()) };
        let same = |(account, seen): &(Arc<Account>, ModSeq)| {
            account.modseq() == *seen && !account.is_broken()
        };
        if !notifying.groups.is_empty() && !notifying.accounts.iter().all(same) {
            let look = self.look(&mut notifying).await?;
            self.tell_annotations(session, &mut notifying, &look).await?;
            notifying.tell(session, &look);
            notifying.learn(look);
        }
        self.notifying = Some(notifying);
        Ok(())
    }

    /// §5.6, §5.7. A client that enabled METADATA hears of all annotations anyway.
    async fn tell_annotations(
        &self,
        session: &mut Session,
        notifying: &mut Notifying,
        look: &Look,
    ) -> Result<(), Stop> {
        let wanted =
            notifying.any(|events| events.mailbox_metadata_change || events.server_metadata_change);
        let account = self.account()?;
        let now = account.modseq();
        let since = std::mem::replace(&mut notifying.annotations, now);
        if !wanted || session.enabled().metadata || account.annotations_modseq() <= since {
            return Ok(());
        }
        let mut told: BTreeMap<String, Vec<mail::EntryName>> = BTreeMap::new();
        for change in account.annotation_changes((since, now), look.user).await? {
            let name = match change.mailbox {
                None if notifying.any(|events| events.server_metadata_change) => String::new(),
                None => continue,
                Some(id) => {
                    let Some(info) = look.mailboxes.get(&(look.user, id)) else { continue };
                    if !notifying.wants(look, &info.name, |e| e.mailbox_metadata_change) {
                        continue;
                    }
                    info.name.as_str().to_owned()
                }
            };
            told.entry(name).or_default().push(change.name);
        }
        for (mailbox, names) in &told {
            for piece in names.chunks(NAMES_MAX) {
                let names: Vec<_> = piece.iter().map(mail::EntryName::as_str).collect();
                session.reply().metadata_changed(mailbox, &names);
            }
        }
        Ok(())
    }

    /// §5: "The server SHOULD omit notifying the client if the event is caused by this client":
    /// names that it made, removed, renamed or subscribed itself.
    pub(super) fn know_names(&mut self, names: &[&MailboxName]) {
        let Ok(own) = self.account().map(Arc::clone) else { return };
        let Some(notifying) = &mut self.notifying else { return };
        let user = own.id();
        let meant = |name: &MailboxName| names.iter().any(|top| levels_below(top, name).is_some());
        let all = own.mailboxes();
        notifying.known.retain(|(account, id), known| {
            *account != user || !meant(&known.name) || all.iter().any(|info| info.id == *id)
        });
        for info in all.iter().filter(|info| meant(&info.name)) {
            let key = (user, info.id);
            match notifying.known.get_mut(&key) {
                Some(known) => known.name = info.name.clone(),
                None => {
                    notifying.known.insert(key, Known::of(info));
                }
            }
        }
        let subscribed: BTreeSet<_> = own.subscriptions().into_iter().collect();
        for name in names {
            if subscribed.contains(name) {
                notifying.subscribed.insert((*name).clone());
            } else {
                notifying.subscribed.remove(name);
            }
        }
    }

    /// Ready when there may be something to tell, between commands too.
    pub(super) async fn notified(&self) {
        let Some(notifying) = self.notifying.as_ref().filter(|one| !one.groups.is_empty()) else {
            return pending().await;
        };
        let mut waits: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
        for (account, seen) in &notifying.accounts {
            waits.push(Box::pin(account.wait(*seen)));
        }
        if let Some(selected) = self.selected.as_deref().filter(|_| notifying.hears_selected()) {
            // Expunges that have to wait are no news before a command lets them be told.
            if notifying.at_once() {
                waits.push(Box::pin(selected.view.wait()));
            } else {
                waits.push(Box::pin(selected.view.wait_unexpunged()));
            }
        }
        poll_fn(|context| {
            let ready = waits.iter_mut().any(|wait| wait.as_mut().poll(context).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// What is told of the selected mailbox: whether anything, whether flags, and whether expunges
    /// whatever the command (§6.1).
    pub(super) fn selected_events(&mut self, expunges: bool) -> (bool, bool, bool) {
        match &mut self.notifying {
            None => (true, true, expunges),
            Some(notifying) if notifying.first => {
                notifying.first = false;
                (true, true, expunges)
            }
            Some(notifying) => {
                let flags = notifying.of_selected().is_some_and(|group| group.events.flag_change);
                (notifying.hears_selected(), flags, expunges || notifying.at_once())
            }
        }
    }

    /// Whether anything is told of the selected mailbox.
    pub(super) fn hears_selected(&self) -> bool {
        self.notifying.as_ref().is_none_or(|notifying| notifying.hears_selected())
    }

    /// Items of new messages of the selected mailbox (§5.2).
    pub(super) fn new_items(&self) -> Vec<FetchItem> {
        let group = self.notifying.as_ref().and_then(|notifying| notifying.of_selected());
        group.map(|group| group.events.new_items.clone()).unwrap_or_default()
    }
}

impl Notifying {
    fn hears_selected(&self) -> bool {
        self.of_selected().is_some_and(|group| group.events.message_new)
    }

    fn learn(&mut self, look: Look) {
        self.known = look.mailboxes.iter().map(|(key, info)| (*key, Known::of(info))).collect();
        self.subscribed = look.subscribed;
    }

    fn tell(&self, session: &mut Session, look: &Look) {
        let mut affected: BTreeMap<MailboxName, Option<MailboxName>> = BTreeMap::new();
        for (key, known) in &self.known {
            if !look.mailboxes.contains_key(key) {
                self.name_changed(look, &known.name, &mut affected);
            }
        }
        for (key, info) in &look.mailboxes {
            match self.known.get(key) {
                None => self.name_changed(look, &info.name, &mut affected),
                Some(known) if known.name != info.name => {
                    // A child is renamed with the level above it, which is told.
                    let with_parent = self.known.iter().any(|(other, above)| {
                        let now = look.mailboxes.get(other).map(|info| &info.name);
                        now.is_some_and(|now| {
                            *now != above.name
                                && levels_below(&above.name, &known.name) > Some(0)
                                && levels_below(now, &info.name) > Some(0)
                        })
                    });
                    let wanted = |name| self.wants(look, name, |events| events.mailbox_name);
                    if !with_parent && (wanted(&info.name) || wanted(&known.name)) {
                        affected.insert(info.name.clone(), Some(known.name.clone()));
                    }
                }
                Some(_) => {}
            }
        }
        for name in self.subscribed.symmetric_difference(&look.subscribed) {
            // §6: `subscribed` means those that are, and those that no longer are.
            let subscribed = |group: &Group| {
                group.events.subscription_change && group.filter == MailboxFilter::Subscribed
            };
            if self.wants(look, name, |events| events.subscription_change)
                || self.groups.iter().any(subscribed)
            {
                affected.entry(name.clone()).or_insert(None);
            }
        }
        for (name, old) in &affected {
            write_list(session, look, name, old.as_ref());
        }
        for (key, info) in &look.mailboxes {
            // One that is new is told when something is in it.
            let none = || Known { uid_next: 1, exists: 0, unseen: 0, ..Known::of(info) };
            let known = self.known.get(key).cloned().unwrap_or_else(none);
            let shown = self.status(look, *key, (&known, info), session, false);
            write_status(session, info, &shown);
        }
    }

    /// §5.4: "the mailbox itself and its direct parent (whether it is an existing mailbox or not)".
    fn name_changed(
        &self,
        look: &Look,
        name: &MailboxName,
        affected: &mut BTreeMap<MailboxName, Option<MailboxName>>,
    ) {
        let above = name.as_str().rsplit_once(SEPARATOR).map(|(above, _)| above);
        let above = above.and_then(|above| MailboxName::parse(above).ok());
        for name in [Some(name.clone()), above].into_iter().flatten() {
            if self.wants(look, &name, |events| events.mailbox_name) {
                affected.entry(name).or_insert(None);
            }
        }
    }

    /// What of a mailbox's state is to be told; all that its events are about with `all`.
    fn status(
        &self,
        look: &Look,
        key: (AccountId, MailboxId),
        (known, info): (&Known, &MailboxInfo),
        session: &Session,
        all: bool,
    ) -> BTreeMap<u8, (StatusItem, u64)> {
        let mut items = BTreeMap::new();
        // §3.1: of the selected mailbox SELECTED decides.
        if look.selected == Some(key) {
            return items;
        }
        let wants = |event| self.wants(look, &info.name, event);
        let enabled = session.enabled();
        let mut add = |item: StatusItem, value: u64| {
            items.insert(item as u8, (item, value));
        };
        let messages = info.uid_next.0 != known.uid_next || info.exists != known.exists;
        if wants(|events| events.message_new) && (all || messages) {
            add(StatusItem::Messages, info.exists.into());
            add(StatusItem::UidNext, info.uid_next.0.into());
            add(StatusItem::UidValidity, info.uid_validity.0.into());
            if enabled.condstore {
                add(StatusItem::HighestModSeq, info.highest_modseq.0.max(1));
            }
        }
        let changed =
            info.highest_modseq != known.modseq || known.uid_validity != info.uid_validity.0;
        if wants(|events| events.flag_change) && (all || changed) {
            if all || enabled.condstore {
                add(StatusItem::UidValidity, info.uid_validity.0.into());
                add(StatusItem::HighestModSeq, info.highest_modseq.0.max(1));
            }
            if all || info.unseen != known.unseen {
                add(StatusItem::Unseen, info.unseen.into());
            }
        }
        items
    }
}

fn write_status(
    session: &mut Session,
    info: &MailboxInfo,
    items: &BTreeMap<u8, (StatusItem, u64)>,
) {
    if !items.is_empty() {
        let items: Vec<_> =
            items.values().map(|(item, value)| (*item, StatusValue::Number(*value))).collect();
        session.reply().status(info.name.as_str(), &items);
    }
}

fn write_list(
    session: &mut Session,
    look: &Look,
    name: &MailboxName,
    old_name: Option<&MailboxName>,
) {
    let all = || look.mailboxes.values().map(|info| &info.name);
    let mut attributes = Vec::with_capacity(3);
    if !all().any(|known| known == name) {
        attributes.push("\\NonExistent");
    }
    if look.subscribed.contains(name) {
        attributes.push("\\Subscribed");
    }
    let children = all().any(|below| levels_below(name, below) > Some(0));
    attributes.push(if children { "\\HasChildren" } else { "\\HasNoChildren" });
    session.reply().list(&ListLine {
        attributes: &attributes,
        separator: Some(SEPARATOR),
        mailbox: name.as_str(),
        old_name: old_name.map(MailboxName::as_str),
        child_info: false,
    });
}
