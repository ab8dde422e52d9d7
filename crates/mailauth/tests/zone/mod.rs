//! DNS in memory, for tests: records by name, names that do not answer, and what was asked.

#![allow(dead_code, reason = "each test program uses a part")]

use mailauth::dns::{Answer, Dns, Failure};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Data {
    Text(Vec<u8>),
    Address(IpAddr),
    Exchange(u16, String),
    Pointer(String),
    Alias(String),
}

/// Names in lower case.
#[derive(Default, Debug)]
pub struct Zone {
    records: BTreeMap<String, Vec<Data>>,
    silent: BTreeSet<(String, &'static str)>,
    /// What was asked, type and name, in order.
    asked: Mutex<Vec<String>>,
}

impl Zone {
    pub fn add(&mut self, name: &str, data: Data) {
        self.records.entry(name.to_ascii_lowercase()).or_default().push(data);
    }

    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.add(name, Data::Text(text.as_bytes().to_vec()));
        self
    }

    pub fn address(mut self, name: &str, address: &str) -> Self {
        self.add(name, Data::Address(address.parse().unwrap()));
        self
    }

    pub fn exchange(mut self, name: &str, host: &str) -> Self {
        self.add(name, Data::Exchange(10, host.to_owned()));
        self
    }

    pub fn pointer(mut self, address: &str, name: &str) -> Self {
        self.add(&reverse(address.parse().unwrap()), Data::Pointer(name.to_owned()));
        self
    }

    /// The name exists, and questions of this type stay without answer.
    pub fn silent(mut self, name: &str, kind: &'static str) -> Self {
        self.be_silent(name, kind);
        self
    }

    pub fn be_silent(&mut self, name: &str, kind: &'static str) {
        self.records.entry(name.to_ascii_lowercase()).or_default();
        self.silent.insert((name.to_ascii_lowercase(), kind));
    }

    pub fn exist(&mut self, name: &str) {
        self.records.entry(name.to_ascii_lowercase()).or_default();
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn ask<T>(&self, kind: &'static str, name: &str, take: fn(&Data) -> Option<T>) -> Answer<T> {
        assert!(!name.ends_with('.') && !name.split('.').any(|l| l.is_empty() || l.len() > 63));
        self.asked.lock().unwrap().push(format!("{kind} {name}"));
        let mut name = name.to_ascii_lowercase();
        for _ in 0..8 {
            if self.silent.contains(&(name.clone(), kind)) {
                return Err(Failure::Temporary);
            }
            let records = self.records.get(&name).ok_or(Failure::NoSuchName)?;
            let found: Vec<T> = records.iter().filter_map(take).collect();
            if !found.is_empty() {
                return Ok(found);
            }
            let alias = records.iter().find_map(|data| match data {
                Data::Alias(target) => Some(target.to_ascii_lowercase()),
                _ => None,
            });
            name = alias.ok_or(Failure::NoRecords)?;
        }
        Err(Failure::Temporary)
    }
}

impl Dns for Zone {
    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        self.ask("TXT", name, |data| match data {
            Data::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    async fn addresses(&self, name: &str, ipv6: bool) -> Answer<IpAddr> {
        match ipv6 {
            true => self.ask("AAAA", name, |data| match data {
                Data::Address(address @ IpAddr::V6(_)) => Some(*address),
                _ => None,
            }),
            false => self.ask("A", name, |data| match data {
                Data::Address(address @ IpAddr::V4(_)) => Some(*address),
                _ => None,
            }),
        }
    }

    async fn exchanges(&self, name: &str) -> Answer<String> {
        let mut found = self.ask("MX", name, |data| match data {
            Data::Exchange(preference, host) => Some((*preference, host.clone())),
            _ => None,
        })?;
        found.sort_by_key(|(preference, _)| *preference);
        Ok(found.into_iter().map(|(_, host)| host).collect())
    }

    async fn names(&self, address: IpAddr) -> Answer<String> {
        self.ask("PTR", &reverse(address), |data| match data {
            Data::Pointer(name) => Some(name.clone()),
            _ => None,
        })
    }
}

/// The name under `in-addr.arpa` or `ip6.arpa`.
pub fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let digits: String =
                v6.octets().iter().rev().map(|o| format!("{:x}.{:x}.", o & 15, o >> 4)).collect();
            format!("{digits}ip6.arpa")
        }
    }
}

/// Runs a future that never waits, as nothing here does.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the zone answers at once"),
    }
}
