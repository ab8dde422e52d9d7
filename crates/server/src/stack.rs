//! The store and the accounts of a data folder, opened.
//!
//! Invariant: the folder's master key is there before the store is made; a store whose key is
//! gone is never opened under a new one.

use crate::{attachments::Readers, clock::SystemClock, config::Config, data};
use account::{Accounts, MasterKey};
use aws_lc_rs::hmac;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use store::{Blobs, Embedded, Kv, LocalBus, embedded};

/// What a data folder gives. Kept until the store is closed.
pub struct Stack {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// For made-up keys of unknown logins; derived from the master key.
    pub secret: [u8; 32],
    store: Arc<Embedded>,
}

impl Stack {
    /// Opens the store of the configuration's data folder. Whoever holds it open locks it.
    pub async fn open(config: &Config) -> Result<Self, String> {
        let folder = &config.data;
        let io = |error: std::io::Error| format!("{}: {error}", folder.display());
        data::folder(folder).map_err(io)?;
        let path = store_folder(folder);
        let master = data::master_key(folder, !path.exists()).map_err(io)?;
        let secret = decoy_secret(&master);
        data::folder(&path).map_err(io)?;
        let options = store_options(config);
        let store = tokio::task::spawn_blocking(move || open_store(&path, &options)).await;
        let store = store.map_err(|error| error.to_string())??;
        let readers = Readers::new(config.attachments);
        let extract = readers.map(|readers| Arc::new(readers) as Arc<dyn account::Extract>);
        let accounts = Accounts::open(
            Arc::clone(&store) as Arc<dyn Kv>,
            Arc::clone(&store) as Arc<dyn Blobs>,
            Arc::new(LocalBus::default()),
            master,
            Arc::new(SystemClock),
            account::Options { extract, ..config.account_options() },
        )
        .await
        .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { accounts, secret, store })
    }

    /// The store, to be closed last.
    #[must_use]
    pub fn store(&self) -> Arc<Embedded> {
        Arc::clone(&self.store)
    }
}

fn store_folder(data: &Path) -> PathBuf {
    data.join("store")
}

fn store_options(config: &Config) -> store::Options {
    store::Options { cache_octets: config.mail.store_cache_octets_max, ..store::Options::default() }
}

fn open_store(path: &Path, options: &store::Options) -> Result<Arc<Embedded>, String> {
    Embedded::open(path, options.clone()).map_err(|error| shown(path, &error))
}

fn shown(path: &Path, error: &store::Error) -> String {
    match error {
        store::Error::InUse => {
            format!("{}: another process has the store open", path.display())
        }
        error => format!("{}: {error}", path.display()),
    }
}

/// Makes the index of the store anew from its log. No server may run. Blocks.
pub fn rebuild(config: &Config) -> Result<store::Report, String> {
    let path = store_folder(&config.data);
    embedded::rebuild(&path, &store_options(config)).map_err(|error| shown(&path, &error))
}

/// Compares the index of the store with its log, and all bodies with their checksums. No server may
/// run. Blocks.
pub fn check(config: &Config) -> Result<store::Report, String> {
    let path = store_folder(&config.data);
    embedded::check(&path, &store_options(config)).map_err(|error| shown(&path, &error))
}

fn decoy_secret(master: &MasterKey) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &master.0);
    let tag = hmac::sign(&key, b"palomar: keys of unknown logins");
    let mut secret = [0; 32];
    secret.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    secret
}
