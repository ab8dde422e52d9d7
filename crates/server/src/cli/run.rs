//! `serve` and `dev`: binding, dropping rights, opening the store, running.

use super::{Place, Stop, code};
use crate::{
    acme,
    config::Config,
    dev,
    listener::{self, Bound},
    logs, privileges,
    service::{self, Parts, Sockets},
    stack::Stack,
    tls::{Certificates, Managed},
};
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
};

/// File descriptors that are kept for the store, listeners and commands.
const DESCRIPTORS_OWN: u64 = 512;
/// Connections that are taken even on a machine with fewer.
const CONNECTIONS_LEAST: u64 = 64;

/// `palomar serve`
pub fn serve(place: &Place) -> Result<(), Stop> {
    let mut config = place.config()?;
    logs::start(&config.log, config.log_format)?;
    choose_pages(&config);
    leave_descriptors(&mut config);
    // Read while root may read any key; a later reload needs keys that `user` can read.
    let certificates = match config.tls.as_slice() {
        files if config.acme.terms_agreed => {
            let folder = acme::certificates_folder(&config.data);
            let managed = Managed { folder, host_name: config.host_name.clone() };
            let loaded = Certificates::load_managed(files.to_vec(), Some(managed));
            Some(loaded.map_err(|error| format!("tls: {error}"))?)
        }
        [] => {
            tracing::warn!("no certificate is set ([[tls]]): no login is possible");
            None
        }
        files => Some(Certificates::load(files.to_vec()).map_err(|error| format!("tls: {error}"))?),
    };
    let (bound, sockets) = bind(&config)?;
    drop_rights(&config)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let stack = Stack::open(&config).await?;
        let parts = Parts { config, bound, sockets, certificates, stack };
        let ready = |addresses: &[_]| tracing::info!(listeners = addresses.len(), "ready");
        service::run(parts, ready).await.map_err(|error| Stop::from(error.to_string()))
    })
}

/// `palomar dev`
pub fn dev(place: &Place, port_offset: u16, json: bool) -> Result<(), Stop> {
    let Some(data) = &place.data else {
        let why = "dev needs a folder: palomar dev --data DIR".to_owned();
        return Err(Stop { code: code::USAGE, why });
    };
    crate::data::folder(data)?;
    let data = &data.canonicalize()?;
    let ports = dev::ports(port_offset)?;
    let mut config = dev::config(place.config()?, data, &ports);
    let filter = std::env::var("PALOMAR_LOG").unwrap_or_else(|_| config.log.clone());
    logs::start(&filter, config.log_format)?;
    choose_pages(&config);
    let ca = dev::certificates(data)?;
    let certificates = Certificates::load(config.tls.clone()).map_err(|error| error.to_string())?;
    let (bound, sockets) = bind(&config)?;
    leave_descriptors(&mut config);
    let runtime = runtime()?;
    runtime.block_on(async {
        let stack = Stack::open(&config).await?;
        let people = dev::accounts(&stack.accounts, data, &ports).await?;
        let parts = Parts { config, bound, sockets, certificates: Some(certificates), stack };
        let ready = |_: &[_]| {
            if json {
                println!("{}", dev::json(&ports, &people, &ca));
            } else {
                print!("{}", dev::table(&ports, &people, (data, &ca)));
            }
        };
        service::run(parts, ready).await.map_err(|error| Stop::from(error.to_string()))
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Stop> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn bind(config: &Config) -> Result<(Vec<Bound>, Sockets), Stop> {
    let mut bound = Vec::new();
    for one in &config.listeners {
        let (protocol, address) = (one.protocol.name(), one.address);
        let socket = listener::bind(one.clone())
            .map_err(|error| format!("cannot listen on {address} ({protocol}): {error}"))?;
        bound.push(socket);
    }
    let metrics = config.metrics.map(|address| {
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "metrics can be read by everybody who reaches this address");
        }
        plain(address, "metrics")
    });
    let acme = &config.acme;
    let wanted = acme.terms_agreed && acme.challenge == acme::Challenge::Http;
    let challenges = acme.http_address.filter(|_| wanted);
    let challenges = challenges.map(|address| plain(address, "acme.http_address"));
    let sockets = Sockets { metrics: metrics.transpose()?, challenges: challenges.transpose()? };
    Ok((bound, sockets))
}

fn plain(address: SocketAddr, what: &str) -> Result<TcpListener, Stop> {
    let socket =
        TcpListener::bind(address).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    Ok(socket.map_err(|error| format!("cannot listen on {address} ({what}): {error}"))?)
}

/// Before much memory is in use.
fn choose_pages(config: &Config) {
    if !config.huge_pages
        && let Err(error) = rustix::thread::disable_transparent_huge_pages(true)
    {
        tracing::warn!(%error, "huge pages cannot be switched off");
    }
}

/// Connections never take the file descriptors that the store needs.
fn leave_descriptors(config: &mut Config) {
    let descriptors = privileges::raise_descriptors();
    let room = descriptors.saturating_sub(DESCRIPTORS_OWN).max(CONNECTIONS_LEAST);
    let room = u32::try_from(room).unwrap_or(u32::MAX);
    let wanted = config.connections.connections_max;
    if room < wanted {
        tracing::info!(
            descriptors,
            wanted,
            room,
            "too few file descriptors for so many connections"
        );
        config.connections.connections_max = room;
    }
}

/// Still one thread here: there is no runtime yet.
fn drop_rights(config: &Config) -> Result<(), Stop> {
    if !privileges::is_root() {
        return Ok(());
    }
    let Some(name) = &config.user else {
        tracing::warn!("running as root: set `user` so that rights are dropped after binding");
        return Ok(());
    };
    let user = privileges::find(name).map_err(|error| format!("user: {error}"))?;
    prepare_folder(&config.data, user)?;
    privileges::become_user(user).map_err(|error| format!("user {name}: {error}"))?;
    tracing::info!(user = name, "rights dropped");
    Ok(())
}

/// A new data folder belongs to the user that the server runs as.
fn prepare_folder(data: &Path, user: privileges::User) -> Result<(), Stop> {
    if !data.exists() {
        crate::data::folder(data)?;
        privileges::give(data, user)?;
    }
    Ok(())
}
