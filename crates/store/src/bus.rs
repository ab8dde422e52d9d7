//! Hints within one process.

use crate::Bus;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

type Each = Arc<dyn Fn(u32, u64) + Send + Sync>;

#[derive(Default)]
struct Inner {
    next: u64,
    each: BTreeMap<u64, Each>,
}

/// The bus of a single process: every hint reaches every subscriber at once.
#[derive(Default, Clone)]
pub struct LocalBus {
    inner: Arc<RwLock<Inner>>,
}

struct Guard {
    bus: LocalBus,
    number: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut inner = self.bus.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.each.remove(&self.number);
    }
}

impl Bus for LocalBus {
    fn publish(&self, account: u32, head: u64) {
        let each: Vec<Each> = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            inner.each.values().cloned().collect()
        };
        for tell in each {
            tell(account, head);
        }
    }
    fn subscribe(&self, each: Box<dyn Fn(u32, u64) + Send + Sync>) -> Box<dyn Send + Sync> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let number = inner.next;
        inner.next += 1;
        inner.each.insert(number, Arc::from(each));
        Box::new(Guard { bus: self.clone(), number })
    }
}
