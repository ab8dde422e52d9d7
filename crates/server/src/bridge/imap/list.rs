//! LIST and LSUB (RFC 9051 §6.3.9, RFC 3501 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 9590).
//!
//! Names are all mailboxes, all subscriptions, and the levels above them that do not exist.

use super::{
    PIECE_OCTETS,
    mailbox::{Status, special_use_name},
    metadata,
    pattern::Pattern,
    place::SharedMailbox,
    refusal::Stop,
};
use account::{Account, MailboxInfo, types::SEPARATOR};
use imap::{
    ListLine, Session,
    effect::Done,
    types::{ListReturn, ListSelect, MetadataQuery},
};
use mail::{AccountId, Rights};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The command.
pub(super) struct Asked {
    pub select: ListSelect,
    pub reference: String,
    pub patterns: Vec<String>,
    pub returns: ListReturn,
    pub lsub: bool,
    /// APPENDLIMIT of every mailbox, for STATUS.
    pub append_octets_max: u64,
}

/// A LIST between two pieces.
pub(super) struct Listing {
    user: AccountId,
    returns: ListReturn,
    lsub: bool,
    append_octets_max: u64,
    lines: std::vec::IntoIter<Line>,
}

/// A line to be told.
struct Line {
    name: Box<str>,
    node: Node,
    child_info: bool,
    /// The selection options select it.
    selected: bool,
    /// LSUB: the level above a subscribed name.
    placeholder: bool,
}

/// What is known of a name.
#[derive(Default)]
struct Node {
    info: Option<MailboxInfo>,
    /// Another's account, and what the user may do.
    shared: Option<(Arc<Account>, Rights)>,
    subscribed: bool,
    /// Some mailbox is below it.
    children: bool,
}

impl Listing {
    pub fn new((account, shared): (&Account, Vec<SharedMailbox>), asked: Asked) -> Self {
        let nodes = nodes(account, shared);
        let patterns: Vec<_> =
            asked.patterns.iter().map(|text| Pattern::new(&asked.reference, text)).collect();
        let chosen = Chosen { patterns, select: asked.select, lsub: asked.lsub };
        let mut lines = chosen.lines(nodes);
        // INBOX first, as people see it.
        lines.sort_by_key(|line| &*line.name != "INBOX");
        Self {
            user: account.id(),
            returns: asked.returns,
            lsub: asked.lsub,
            append_octets_max: asked.append_octets_max,
            lines: lines.into_iter(),
        }
    }

    pub async fn step(
        &mut self,
        session: &mut Session,
        account: &Arc<Account>,
    ) -> Result<Done, Stop> {
        while let Some(line) = self.lines.next() {
            self.write(session, &line);
            // RFC 5819 §2, RFC 9590 §3: not of a mailbox that is only told for its children.
            if let Some(info) = line.node.info.as_ref().filter(|_| line.selected) {
                let own = (account, Rights::ALL);
                let shared = line.node.shared.as_ref();
                let place = shared.map_or(own, |(account, rights)| (account, *rights));
                self.write_more(session, place, info).await?;
            }
            if session.reply().pending_octets() >= PIECE_OCTETS {
                return Ok(Done::More);
            }
        }
        Ok(Done::Ok(None))
    }

    /// What else is wanted of a mailbox.
    async fn write_more(
        &self,
        session: &mut Session,
        (account, rights): (&Arc<Account>, Rights),
        info: &MailboxInfo,
    ) -> Result<(), Stop> {
        let foreign = Some(account.id()).filter(|id| *id != self.user);
        if self.returns.my_rights {
            session.reply().my_rights(info.name.as_str(), rights);
        }
        let readable = rights.has(Rights::READ);
        if let Some(items) = self.returns.status.as_ref().filter(|_| readable) {
            let asked = (items.as_slice(), self.append_octets_max);
            let mut status = Status::of(account, info, asked).await?;
            status.shown_as(info.name.as_str(), foreign);
            status.write(session);
        }
        if let Some(entries) = self.returns.metadata.as_ref().filter(|_| readable) {
            let query = MetadataQuery { entries: entries.clone(), ..MetadataQuery::default() };
            let all = metadata::of_mailbox(account, info, self.user);
            let (found, _) = metadata::select(&query, &all);
            metadata::write(session, info.name.as_str(), &found);
        }
        Ok(())
    }

    fn write(&self, session: &mut Session, line: &Line) {
        let node = &line.node;
        let rev2 = session.enabled().rev2;
        let mut attributes = Vec::with_capacity(4);
        if line.placeholder || (self.lsub && node.info.is_none()) {
            attributes.push("\\Noselect");
        } else if node.info.is_none() {
            // RFC 9051 §7.3.1: "\NonExistent implies \Noselect"; older clients know only that.
            attributes.push("\\NonExistent");
            if !rev2 {
                attributes.push("\\Noselect");
            }
        }
        if self.returns.subscribed && node.subscribed {
            attributes.push("\\Subscribed");
        }
        attributes.push(if node.children { "\\HasChildren" } else { "\\HasNoChildren" });
        let special = node.info.as_ref().and_then(|info| info.special_use);
        if let Some(special) = special.filter(|_| self.returns.special_use) {
            attributes.push(special_use_name(special));
        }
        let shown = ListLine {
            attributes: &attributes,
            separator: Some(SEPARATOR),
            mailbox: &line.name,
            old_name: None,
            child_info: line.child_info,
        };
        if self.lsub {
            session.reply().lsub(&shown);
        } else {
            session.reply().list(&shown);
        }
    }
}

/// All names, with the levels above them.
fn nodes(account: &Account, shared: Vec<SharedMailbox>) -> BTreeMap<Box<str>, Node> {
    let mut nodes: BTreeMap<Box<str>, Node> = BTreeMap::new();
    for name in account.subscriptions() {
        nodes.entry(name.as_str().into()).or_default().subscribed = true;
    }
    let own = account.mailboxes().into_iter().map(|info| (info, None));
    let shared = shared.into_iter().map(|one| (one.info, Some((one.account, one.rights))));
    for (info, shared) in own.chain(shared) {
        let name: Box<str> = info.name.as_str().into();
        for above in levels_above(&name) {
            nodes.entry(above.into()).or_default().children = true;
        }
        let node = nodes.entry(name).or_default();
        node.subscribed |= info.subscribed;
        node.info = Some(info);
        node.shared = shared;
    }
    let subscribed: Vec<Box<str>> =
        nodes.iter().filter(|(_, node)| node.subscribed).map(|(name, _)| name.clone()).collect();
    for name in subscribed {
        for above in levels_above(&name) {
            nodes.entry(above.into()).or_default();
        }
    }
    nodes
}

/// `a/b/c`: `a/b`, `a`.
fn levels_above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(above(name), |name| above(name))
}

fn above(name: &str) -> Option<&str> {
    name.rsplit_once(SEPARATOR).map(|(above, _)| above)
}

/// Which names are told.
struct Chosen {
    patterns: Vec<Pattern>,
    select: ListSelect,
    lsub: bool,
}

/// What lies below a name of what is selected.
#[derive(Clone, Copy, Default)]
struct Below {
    /// Some name.
    any: bool,
    /// Some name that is not told itself.
    untold: bool,
}

impl Chosen {
    fn lines(&self, nodes: BTreeMap<Box<str>, Node>) -> Vec<Line> {
        let below = self.below(&nodes);
        let mut lines = Vec::new();
        for (name, node) in nodes {
            if !self.matches(&name) {
                continue;
            }
            let below = below.get(&name).copied().unwrap_or_default();
            let selected = self.selects(&node);
            let child_info = self.select.recursive_match && self.select.subscribed && below.any;
            let placeholder = !selected && self.lsub && below.untold && self.has_percent(&name);
            // RFC 9051 §6.3.9.6: "Servers SHOULD only return a non-matching mailbox name along with
            // CHILDINFO if at least one matching child is not also being returned."
            let for_children = self.select.recursive_match && below.untold;
            // Without selection, levels that do not exist are told for what is below them.
            let level = self.is_plain() && node.children;
            if selected || placeholder || for_children || level {
                lines.push(Line { name, node, child_info, selected, placeholder });
            }
        }
        lines
    }

    /// For each name, what is selected below it.
    fn below(&self, nodes: &BTreeMap<Box<str>, Node>) -> HashMap<Box<str>, Below> {
        let mut all: HashMap<Box<str>, Below> = HashMap::new();
        if self.is_plain() {
            return all;
        }
        for (name, _) in nodes.iter().filter(|(_, node)| self.selects(node)) {
            let untold = !self.matches(name);
            for above in levels_above(name) {
                let below = all.entry(above.into()).or_default();
                below.any = true;
                below.untold |= untold;
            }
        }
        all
    }

    /// No selection option narrows the list.
    const fn is_plain(&self) -> bool {
        !self.select.subscribed && !self.select.special_use
    }

    fn selects(&self, node: &Node) -> bool {
        let special = node.info.as_ref().is_some_and(|info| info.special_use.is_some());
        (node.subscribed || !self.select.subscribed)
            && (special || !self.select.special_use)
            && (node.info.is_some() || self.select.subscribed)
    }

    fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// RFC 3501 §6.3.9: "A special situation occurs when using LSUB with the % wildcard."
    fn has_percent(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.has_percent() && pattern.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        assert_eq!(levels_above("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(levels_above("a").count(), 0);
    }
}
