//! Where each message stands: its site's row and the place there, for as many sites as it goes to.
//!
//! One table in one piece of memory: most messages go to one site, and a hundred thousand of them
//! may wait.

use super::row::Place;
use std::{collections::HashMap, sync::Arc};

/// Most stand in one row.
enum Standing {
    One(Arc<str>, Place),
    Several(Vec<(Arc<str>, Place)>),
}

/// By message.
#[derive(Default)]
pub(super) struct Places {
    by_message: HashMap<u64, Standing>,
    count: usize,
}

impl Places {
    /// Items.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// A message stands here now, in this site's row.
    pub(super) fn put(&mut self, id: u64, site: &Arc<str>, place: Place) {
        let Some(standing) = self.by_message.get_mut(&id) else {
            self.by_message.insert(id, Standing::One(Arc::clone(site), place));
            self.count += 1;
            return;
        };
        match standing {
            Standing::One(known, at) if known == site => *at = place,
            Standing::One(known, at) => {
                let both = vec![(Arc::clone(known), *at), (Arc::clone(site), place)];
                *standing = Standing::Several(both);
                self.count += 1;
            }
            Standing::Several(all) => match all.iter_mut().find(|(known, _)| known == site) {
                Some((_, at)) => *at = place,
                None => {
                    all.push((Arc::clone(site), place));
                    self.count += 1;
                }
            },
        }
    }

    /// A message does not stand in this site's row any more. Gives where it stood.
    pub(super) fn take(&mut self, id: u64, site: &Arc<str>) -> Option<Place> {
        let place = match self.by_message.get_mut(&id)? {
            Standing::One(known, place) => (known == site).then_some(*place)?,
            Standing::Several(all) => {
                let at = all.iter().position(|(known, _)| known == site)?;
                let (_, place) = all.swap_remove(at);
                if !all.is_empty() {
                    self.count -= 1;
                    return Some(place);
                }
                place
            }
        };
        self.forget(id);
        Some(place)
    }

    /// A message stands nowhere any more. Gives where it stood, in the order of the sites' names.
    pub(super) fn take_all(&mut self, id: u64) -> Vec<(Arc<str>, Place)> {
        let mut all = match self.forget(id) {
            None => Vec::new(),
            Some(Standing::One(site, place)) => vec![(site, place)],
            Some(Standing::Several(all)) => all,
        };
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    fn forget(&mut self, id: u64) -> Option<Standing> {
        let standing = self.by_message.remove(&id)?;
        self.count -= match &standing {
            Standing::One(..) => 1,
            // Called by `take` with the last one taken out already, which is not counted off yet.
            Standing::Several(all) => all.len().max(1),
        };
        if self.by_message.capacity() > 64 && self.by_message.len() < self.by_message.capacity() / 8
        {
            self.by_message.shrink_to(self.by_message.len() * 2);
        }
        Some(standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stands_in_several_rows() {
        let mut places = Places::default();
        let sites: Vec<Arc<str>> = ["b.test", "a.test", "c.test"].map(Arc::from).into();
        for (turn, site) in (0..).zip(&sites) {
            places.put(1, site, Place::Due(turn));
            places.put(1, site, Place::Due(turn + 10));
        }
        places.put(2, &sites[0], Place::Waiting(5));
        assert_eq!(places.len(), 4);
        assert_eq!(places.take(1, &sites[0]), Some(Place::Due(10)));
        assert_eq!(places.take(1, &sites[0]), None);
        assert_eq!(places.take(2, &sites[1]), None);
        assert_eq!(places.len(), 3);
        let left = places.take_all(1);
        assert_eq!(left, [(sites[1].clone(), Place::Due(11)), (sites[2].clone(), Place::Due(12))]);
        assert_eq!((places.len(), places.take_all(1).len()), (1, 0));
        assert_eq!(places.take(2, &sites[0]), Some(Place::Waiting(5)));
        assert_eq!(places.len(), 0);
    }

    #[test]
    fn the_last_of_several_ends_it() {
        let mut places = Places::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        places.put(1, &a, Place::Due(0));
        places.put(1, &b, Place::Due(1));
        assert_eq!(places.take(1, &a), Some(Place::Due(0)));
        assert_eq!(places.take(1, &b), Some(Place::Due(1)));
        assert_eq!((places.len(), places.by_message.len()), (0, 0));
    }
}
