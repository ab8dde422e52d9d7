//! Going on after the store failed: the account is loaded anew, and sessions with it.
//!
//! A commit that fails takes the account in memory with it (what was planned on top of it is void).
//! The session's old view still knows what the client was told; the new one knows what is durable.
//! The difference is told, and the client notices nothing but the NO of its own command.

use super::{Imap, Selected, Work, refusal::Stop, tell::Telling};
use account::{Account, Numbers, Row, Update, View};
use imap::{Session, effect::Done};
use mail::{NumberSet, Uid};
use std::sync::Arc;

/// Rows compared in one go.
const ROWS_MAX: usize = 4_096;

impl Imap {
    /// Loads the account anew if a commit of it failed; the selected mailbox follows at the next
    /// poll. An account that is gone stays as it is: its commands fail.
    pub(super) async fn refresh(&mut self) {
        let Some(login) = &mut self.login else { return };
        if !login.account.is_broken() {
            return;
        }
        match self.context.accounts.account(login.account.id()).await {
            Ok(account) => login.account = account,
            Err(error) => self.log(&error),
        }
    }

    /// The view cannot go on: its mailbox or account was deleted, or its account was loaded anew.
    pub(super) async fn reopen(
        &mut self,
        session: &mut Session,
        expunges: bool,
    ) -> Result<Done, Stop> {
        self.refresh().await;
        let account = match self.is_foreign() {
            true => self.owner_again().await?,
            false => Some(Arc::clone(self.account()?)),
        };
        let Some(account) = account else {
            session.mailbox_gone();
            return Ok(Done::Ok(None));
        };
        let Some(selected) = self.selected.as_deref_mut() else { return Ok(Done::Ok(None)) };
        if Arc::ptr_eq(&account, selected.view.account()) {
            match selected.view.info() {
                None => session.mailbox_gone(),
                Some(_) => session.mailbox_lost(),
            }
            return Ok(Done::Ok(None));
        }
        let Some(view) = select_again(&account, selected) else {
            session.mailbox_gone();
            return Ok(Done::Ok(None));
        };
        let Some((view, updates)) = differences(&mut selected.view, view, expunges) else {
            // Numbers must not move now. The next command may tell it.
            return Ok(Done::Ok(None));
        };
        selected.view = view;
        self.begin(session, Work::Tell(Box::new(Telling::new(updates)))).await
    }
}

fn select_again(account: &Arc<Account>, selected: &Selected) -> Option<View> {
    account.select(selected.view.mailbox(), selected.view.read_only()).ok()
}

/// What the client has to be told so that it knows what the new view knows; `None` when messages
/// are gone and that cannot be told now.
fn differences(old: &mut View, mut new: View, expunges: bool) -> Option<(View, Vec<Update>)> {
    let (mut expunged, mut flags): (Vec<(u32, Uid)>, Vec<Update>) = (Vec::new(), Vec::new());
    let (mut told, mut durable) = (Rows::of(old), Rows::of(&mut new));
    let mut known = 0;
    while let Some(before) = told.next() {
        match durable.peek() {
            Some(now) if now.uid == before.uid => {
                known += 1;
                if now.modseq != before.modseq {
                    flags.push(Update::Flags(now.clone()));
                }
                durable.next();
            }
            _ => expunged.push((before.sequence, before.uid)),
        }
    }
    if !(expunged.is_empty() || expunges) {
        return None;
    }
    expunged.reverse();
    let (exists, recent) = (new.exists(), new.recent());
    let mut updates = Vec::new();
    if !expunged.is_empty() {
        updates.push(Update::Expunged(expunged));
    }
    if exists != known {
        updates.push(Update::Exists { exists, recent });
    }
    updates.append(&mut flags);
    Some((new, updates))
}

/// All rows of a view, page by page.
struct Rows<'a> {
    view: &'a mut View,
    all: NumberSet,
    next: u32,
    page: std::iter::Peekable<std::vec::IntoIter<Row>>,
}

impl<'a> Rows<'a> {
    fn of(view: &'a mut View) -> Self {
        let all = NumberSet::of([(1, u32::MAX)]);
        Self { view, all, next: 1, page: Vec::new().into_iter().peekable() }
    }

    fn peek(&mut self) -> Option<&Row> {
        if self.page.peek().is_none() {
            let rows = self.view.rows(&self.all, Numbers::Sequence, self.next, ROWS_MAX);
            self.next = rows.last().map_or(self.next, |last| last.sequence.saturating_add(1));
            self.page = rows.into_iter().peekable();
        }
        self.page.peek()
    }

    fn next(&mut self) -> Option<Row> {
        self.peek()?;
        self.page.next()
    }
}
