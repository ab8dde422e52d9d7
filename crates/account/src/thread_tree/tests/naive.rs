//! RFC 5256 §3 REFERENCES, done step by step as it is written, however long that takes.

use super::Said;
use std::collections::HashMap;

#[derive(Clone, Default)]
struct Item {
    /// Place among the messages; `None` for a dummy.
    message: Option<usize>,
    parent: Option<usize>,
    children: Vec<usize>,
}

struct Tree<'a> {
    said: &'a [Said],
    items: Vec<Item>,
    roots: Vec<usize>,
}

pub fn references(said: &[Said]) -> String {
    let mut tree = Tree { said, items: Vec::new(), roots: Vec::new() };
    tree.link();
    tree.prune();
    tree.sort_roots();
    tree.gather();
    for item in 0..tree.items.len() {
        let mut children = tree.items[item].children.clone();
        children.sort_by_key(|child| tree.date(*child));
        tree.items[item].children = children;
    }
    tree.sort_roots();
    tree.written()
}

pub fn refs(said: &[Said]) -> String {
    let mut tree = Tree { said, items: Vec::new(), roots: Vec::new() };
    tree.link();
    tree.prune();
    for item in 0..tree.items.len() {
        let mut children = tree.items[item].children.clone();
        children.sort_by_key(|child| tree.date(*child));
        tree.items[item].children = children;
    }
    let mut roots = tree.roots.clone();
    roots.sort_by_key(|root| tree.latest(*root));
    tree.roots = roots;
    tree.written()
}

impl Tree<'_> {
    fn add(&mut self, message: Option<usize>) -> usize {
        self.items.push(Item { message, ..Item::default() });
        self.items.len() - 1
    }

    fn is_below(&self, item: usize, above: usize) -> bool {
        item == above || self.items[item].parent.is_some_and(|up| self.is_below(up, above))
    }

    fn tie(&mut self, parent: usize, child: usize) {
        if !self.is_below(parent, child) {
            self.items[child].parent = Some(parent);
            self.items[parent].children.push(child);
        }
    }

    fn untie(&mut self, child: usize) {
        if let Some(parent) = self.items[child].parent.take() {
            self.items[parent].children.retain(|other| *other != child);
        }
    }

    /// Step 1: ids first, so that those of messages are known before any reference.
    fn link(&mut self) {
        let mut ids: HashMap<u64, usize> = HashMap::new();
        let mut own = Vec::new();
        for (at, message) in self.said.iter().enumerate() {
            let item = self.add(Some(at));
            if message.id != 0 {
                ids.entry(message.id).or_insert(item);
            }
            own.push(item);
        }
        for (at, message) in self.said.iter().enumerate() {
            let mut last = None;
            for id in &message.references {
                let next = match ids.get(id) {
                    Some(item) => *item,
                    None => {
                        let item = self.add(None);
                        ids.insert(*id, item);
                        item
                    }
                };
                if let Some(last) = last.filter(|_| self.items[next].parent.is_none()) {
                    self.tie(last, next);
                }
                last = Some(next);
            }
            self.untie(own[at]);
            if let Some(last) = last {
                self.tie(last, own[at]);
            }
        }
        self.roots =
            (0..self.items.len()).filter(|item| self.items[*item].parent.is_none()).collect();
    }

    /// Step 3.
    fn prune(&mut self) {
        let mut kept = Vec::new();
        for root in self.roots.clone() {
            let children = self.pruned(root);
            self.items[root].children.clone_from(&children);
            match (self.items[root].message, children.as_slice()) {
                (None, []) => {}
                (None, [only]) => {
                    self.items[root].children.clear();
                    kept.push(*only);
                }
                _ => kept.push(root),
            }
        }
        self.roots = kept;
    }

    /// Children of an item once dummies below it are taken out.
    fn pruned(&mut self, item: usize) -> Vec<usize> {
        let mut kept = Vec::new();
        for child in self.items[item].children.clone() {
            let below = self.pruned(child);
            if self.items[child].message.is_some() {
                self.items[child].children = below;
                kept.push(child);
            } else {
                self.items[child].children.clear();
                kept.extend(below);
            }
        }
        kept
    }

    fn first(&self, item: usize) -> usize {
        self.items[item].message.unwrap_or_else(|| {
            let children = self.items[item].children.iter();
            let messages = children.map(|child| self.items[*child].message.unwrap());
            messages.min_by_key(|message| (self.said[*message].sent, *message)).unwrap()
        })
    }

    fn date(&self, item: usize) -> (i64, usize) {
        let message = self.first(item);
        (self.said[message].sent, message)
    }

    fn latest(&self, item: usize) -> (i64, usize) {
        let own = self.items[item].message.map(|at| (self.said[at].arrived, at));
        let below = self.items[item].children.iter().map(|child| self.latest(*child));
        own.into_iter().chain(below).max().unwrap()
    }

    fn sort_roots(&mut self) {
        let mut roots = self.roots.clone();
        roots.sort_by_key(|root| self.date(*root));
        self.roots = roots;
    }

    /// Step 5.
    fn gather(&mut self) {
        let mut table: HashMap<&str, usize> = HashMap::new();
        let answers = |tree: &Self, item: usize| {
            tree.items[item].message.is_some_and(|message| tree.said[message].reply)
        };
        for root in self.roots.clone() {
            let subject = self.said[self.first(root)].subject;
            if subject.is_empty() {
                continue;
            }
            let Some(there) = table.get(subject).copied() else {
                table.insert(subject, root);
                continue;
            };
            let dummy = self.items[root].message.is_none();
            if self.items[there].message.is_some()
                && (dummy || answers(self, there) && !answers(self, root))
            {
                table.insert(subject, root);
            }
        }
        for root in self.roots.clone() {
            let subject = self.said[self.first(root)].subject;
            let Some(there) = table.get(subject).copied().filter(|there| *there != root) else {
                continue;
            };
            self.roots.retain(|other| *other != root);
            let dummies = (self.items[there].message.is_none(), self.items[root].message.is_none());
            if dummies == (true, true) {
                let children = std::mem::take(&mut self.items[root].children);
                self.items[there].children.extend(children);
            } else if dummies.0 || answers(self, root) && !answers(self, there) {
                self.items[there].children.push(root);
            } else {
                self.roots.retain(|other| *other != there);
                let both = self.add(None);
                self.items[both].children = vec![there, root];
                self.roots.push(both);
                table.insert(subject, both);
            }
        }
    }

    fn written(&self) -> String {
        self.roots.iter().map(|root| format!("({})", self.inner(*root))).collect()
    }

    fn inner(&self, item: usize) -> String {
        let Item { message, children, .. } = &self.items[item];
        let own = message.map(|at| (at + 1).to_string()).unwrap_or_default();
        match children.as_slice() {
            [] => own,
            [only] => format!("{own} {}", self.inner(*only)),
            several => {
                let lists = several.iter().map(|child| format!("({})", self.inner(*child)));
                let lists: String = lists.collect();
                if own.is_empty() { lists } else { format!("{own} {lists}") }
            }
        }
    }
}
