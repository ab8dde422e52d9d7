//! STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, GETQUOTA (RFC 9051 §6.3, RFC 6154 §3, RFC 9208).

use super::{Imap, foreign_id, mailbox_id, place::Place, refusal::Stop};
use account::{
    Account, MailboxInfo, MailboxName, SpecialUse,
    search::{Query, Search},
    types::SEPARATOR,
};
use imap::{
    ListLine, QuotaResource, Session, StatusValue,
    effect::{Done, Refusal},
    types::{QUOTA_ROOT, StatusItem},
};
use mail::{AccountId, Rights, SystemFlags};
use std::sync::Arc;

/// Octets of the unit of STORAGE (RFC 9208 §5.1).
const STORAGE_OCTETS: u64 = 1024;

/// A name as clients write it; Thunderbird may leave a separator at its end (quirk 15).
pub(super) fn name(text: &str) -> Result<MailboxName, Stop> {
    let text = text.strip_suffix(SEPARATOR).unwrap_or(text);
    Ok(MailboxName::parse(text)?)
}

/// As RFC 6154 §2 writes it.
pub(super) const fn special_use_name(special_use: SpecialUse) -> &'static str {
    match special_use {
        SpecialUse::Archive => "\\Archive",
        SpecialUse::Drafts => "\\Drafts",
        SpecialUse::Flagged => "\\Flagged",
        SpecialUse::Junk => "\\Junk",
        SpecialUse::Sent => "\\Sent",
        SpecialUse::Trash => "\\Trash",
        SpecialUse::All => "\\All",
        SpecialUse::Important => "\\Important",
    }
}

/// What a client may ask for in CREATE. `\All`, `\Flagged` and `\Important` are views over other
/// mailboxes, which CREATE does not make.
pub(super) fn special_use(text: &str) -> Option<SpecialUse> {
    use SpecialUse::{Archive, Drafts, Junk, Sent, Trash};
    [Archive, Drafts, Junk, Sent, Trash]
        .into_iter()
        .find(|use_| special_use_name(*use_).eq_ignore_ascii_case(text))
}

/// A STATUS line.
pub(super) struct Status {
    mailbox: String,
    id: String,
    items: Vec<(StatusItem, u64)>,
}

impl Status {
    /// Looks all items up.
    pub async fn of(
        account: &Arc<Account>,
        info: &MailboxInfo,
        (items, append_octets_max): (&[StatusItem], u64),
    ) -> Result<Self, Stop> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = match item {
                StatusItem::Messages => info.exists.into(),
                StatusItem::Recent => info.recent.into(),
                StatusItem::UidNext => info.uid_next.0.into(),
                StatusItem::UidValidity => info.uid_validity.0.into(),
                StatusItem::Unseen => info.unseen.into(),
                StatusItem::Deleted => info.deleted.into(),
                StatusItem::Size => info.octets,
                StatusItem::HighestModSeq => info.highest_modseq.0.max(1),
                StatusItem::AppendLimit => append_octets_max,
                StatusItem::DeletedStorage => deleted_octets(account, info).await?,
                StatusItem::MailboxId => 0,
            };
            values.push((*item, value));
        }
        let mailbox = info.name.as_str().to_owned();
        Ok(Self { mailbox, id: mailbox_id(info.id), items: values })
    }

    /// Under the name by which the user knows it.
    pub fn shown_as(&mut self, mailbox: &str, owner: Option<AccountId>) {
        if owner.is_some() {
            mailbox.clone_into(&mut self.mailbox);
            self.id = foreign_id(std::mem::take(&mut self.id), owner);
        }
    }

    pub fn write(&self, session: &mut Session) {
        let value = |&(item, value): &(StatusItem, u64)| match item {
            StatusItem::MailboxId => (item, StatusValue::Id(&self.id)),
            _ => (item, StatusValue::Number(value)),
        };
        let items: Vec<_> = self.items.iter().map(value).collect();
        session.reply().status(&self.mailbox, &items);
    }
}

/// What EXPUNGE would free (RFC 9208 §4.1.4), by reading the rows that have `\Deleted`.
async fn deleted_octets(account: &Arc<Account>, info: &MailboxInfo) -> Result<u64, Stop> {
    if info.deleted == 0 {
        return Ok(0);
    }
    let mut view = account.select(info.id, true)?;
    let mut search = Search::new(Query::System(SystemFlags::DELETED));
    let mut octets = 0;
    loop {
        let (rows, more) = search.step(&mut view).await?;
        octets += rows.iter().map(|row| u64::from(row.octets)).sum::<u64>();
        if !more {
            return Ok(octets);
        }
    }
}

impl Imap {
    pub(super) async fn status(
        &self,
        session: &mut Session,
        mailbox: &str,
        items: &[StatusItem],
    ) -> Result<Done, Stop> {
        let place = self.place(mailbox).await?;
        let info = place.existing(Rights::READ)?;
        let append_octets_max = self.context.accounts.options().message_octets_max;
        let mut status = Status::of(&place.account, &info, (items, append_octets_max)).await?;
        status.shown_as(mailbox, place.foreign_id());
        status.write(session);
        Ok(Done::Ok(None))
    }

    /// RFC 8474 §4.1: MAILBOXID in the answer.
    pub(super) async fn create(&mut self, mailbox: &str, uses: &[String]) -> Result<Done, Stop> {
        let special = match uses {
            [] => None,
            // RFC 6154 §3: "If … the server is not able to … it MUST NOT create the mailbox".
            [one] => Some(special_use(one).ok_or(Refusal::UseAttr)?),
            _ => return Err(Refusal::UseAttr.into()),
        };
        let place = self.place(mailbox).await?;
        place.allow(Rights::CREATE)?;
        // Special uses are the owner's.
        let special = special.filter(|_| !place.foreign);
        let id = place.account.create(&place.name, special).await?;
        self.inherit(&place).await?;
        self.know_own(&[&place]);
        let id = foreign_id(mailbox_id(id), place.foreign_id());
        Ok(Done::Ok(Some(format!("MAILBOXID ({id})"))))
    }

    pub(super) async fn delete(&mut self, mailbox: &str) -> Result<Done, Stop> {
        let place = self.place(mailbox).await?;
        place.existing(Rights::DELETE_MAILBOX)?;
        place.account.delete(&place.name).await?;
        self.know_own(&[&place]);
        Ok(Done::Ok(None))
    }

    pub(super) async fn rename(
        &mut self,
        session: &mut Session,
        from: &str,
        to: &str,
    ) -> Result<Done, Stop> {
        let (old, new) = (self.place(from).await?, self.place(to).await?);
        old.existing(Rights::DELETE_MAILBOX)?;
        new.allow(Rights::CREATE)?;
        if old.account.id() != new.account.id() {
            return Err(Refusal::Cannot.into());
        }
        old.account.rename(&old.name, &new.name).await?;
        self.know_own(&[&old, &new]);
        // RFC 9051 §6.3.9.7: OLDNAME tells of the rename. INBOX stays where it is.
        if session.enabled().rev2 && old.name != MailboxName::inbox() {
            session.reply().list(&ListLine {
                separator: Some(SEPARATOR),
                mailbox: to.strip_suffix(SEPARATOR).unwrap_or(to),
                old_name: Some(from.strip_suffix(SEPARATOR).unwrap_or(from)),
                ..ListLine::default()
            });
        }
        Ok(Done::Ok(None))
    }

    /// What this client did itself need not be told to it.
    fn know_own(&mut self, places: &[&Place]) {
        let own = places.iter().filter(|place| !place.foreign);
        let names: Vec<&MailboxName> = own.map(|place| &place.name).collect();
        self.know_names(&names);
    }

    pub(super) async fn subscribe(&mut self, mailbox: &str, wanted: bool) -> Result<Done, Stop> {
        let name = name(mailbox)?;
        self.account()?.subscribe(&name, wanted).await?;
        self.know_names(&[&name]);
        Ok(Done::Ok(None))
    }

    /// One root for the whole account; resources without limit are not told (RFC 9208 §4.2.1).
    pub(super) async fn quota(
        &self,
        session: &mut Session,
        mailbox: Option<&str>,
    ) -> Result<Done, Stop> {
        let place = match mailbox {
            Some(mailbox) => Some(self.place(mailbox).await?),
            None => None,
        };
        let account = self.account()?;
        let quota = account.quota();
        let storage = quota.octets_max.map(|max| QuotaResource {
            name: "STORAGE",
            used: quota.octets_used.div_ceil(STORAGE_OCTETS),
            limit: max / STORAGE_OCTETS,
        });
        let messages = quota.messages_max.map(|limit| QuotaResource {
            name: "MESSAGE",
            used: quota.messages_used,
            limit,
        });
        let resources: Vec<_> = storage.into_iter().chain(messages).collect();
        if let Some(mailbox) = mailbox {
            let place = place.ok_or(Refusal::Bug)?;
            place.existing(Rights::READ)?;
            if place.foreign {
                // How full the owner's account is, is the owner's.
                session.reply().quota_root(mailbox, &[]);
                return Ok(Done::Ok(None));
            }
            // QUOTA's list of resources must not be empty (RFC 9208 §7): no limit, no root.
            let roots: &[&str] = if resources.is_empty() { &[] } else { &[QUOTA_ROOT] };
            session.reply().quota_root(place.name.as_str(), roots);
            if resources.is_empty() {
                return Ok(Done::Ok(None));
            }
        }
        session.reply().quota(QUOTA_ROOT, &resources);
        Ok(Done::Ok(None))
    }
}
