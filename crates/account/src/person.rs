//! What the directory keeps of an account: address, passwords, limits. Sealed.

use crate::{
    codec::{Reader, Writer},
    password::Kept,
};
use mail::Address;

/// An app password.
#[derive(Clone)]
pub(crate) struct App {
    pub name: String,
    pub made: i64,
    pub hash: [u8; 32],
}

/// An account's person.
#[derive(Clone)]
pub(crate) struct Person {
    pub address: Address,
    pub disabled: bool,
    pub octets_max: Option<u64>,
    pub messages_max: Option<u64>,
    pub generation: u64,
    pub password: Kept,
    pub apps: Vec<App>,
    /// IMAP capabilities that its clients are not shown.
    pub hidden: Vec<String>,
}

fn limit(to: &mut Writer, limit: Option<u64>) {
    to.number(limit.map_or(0, |limit| limit.saturating_add(1)));
}

fn read_limit(from: &mut Reader<'_>) -> Option<Option<u64>> {
    Some(from.number()?.checked_sub(1))
}

impl Person {
    pub fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(1).bytes(self.address.local().as_bytes());
        to.bytes(self.address.domain().as_str().as_bytes()).byte(u8::from(self.disabled));
        limit(&mut to, self.octets_max);
        limit(&mut to, self.messages_max);
        let password = &self.password;
        to.number(self.generation).bytes(&password.salt);
        for cost in [password.cost.0, password.cost.1, password.cost.2, password.iterations] {
            to.number(cost.into());
        }
        to.bytes(&password.hash).bytes(&password.scram_salt);
        to.bytes(&password.stored_key).bytes(&password.server_key);
        to.number(self.apps.len() as u64);
        for app in &self.apps {
            to.bytes(app.name.as_bytes()).signed(app.made).bytes(&app.hash);
        }
        to.number(self.hidden.len() as u64);
        for name in &self.hidden {
            to.bytes(name.as_bytes());
        }
        to.0
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        if from.byte()? != 1 {
            return None;
        }
        let local = from.text()?;
        let domain = mail::Domain::parse(from.text()?)?;
        let address = Address::new(local, domain)?;
        let disabled = from.byte()? != 0;
        let (octets_max, messages_max) = (read_limit(&mut from)?, read_limit(&mut from)?);
        let generation = from.number()?;
        let salt = from.bytes()?.try_into().ok()?;
        let cost = (from.number32()?, from.number32()?, from.number32()?);
        let iterations = from.number32()?;
        let password = Kept {
            salt,
            cost,
            iterations,
            hash: from.bytes()?.try_into().ok()?,
            scram_salt: from.bytes()?.try_into().ok()?,
            stored_key: from.bytes()?.try_into().ok()?,
            server_key: from.bytes()?.try_into().ok()?,
        };
        let mut apps = Vec::new();
        for _ in 0..from.number()? {
            apps.push(App {
                name: from.text()?.to_owned(),
                made: from.signed()?,
                hash: from.bytes()?.try_into().ok()?,
            });
        }
        let mut hidden = Vec::new();
        // Written since there are such: older values end here.
        if !from.is_empty() {
            for _ in 0..from.number()? {
                hidden.push(from.text()?.to_owned());
            }
        }
        Some(Self {
            address,
            disabled,
            octets_max,
            messages_max,
            generation,
            password,
            apps,
            hidden,
        })
    }
}
