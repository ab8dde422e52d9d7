//! The HTTPS bridge: what is told of our domains to everybody: their MTA-STS policy (RFC 8461
//! §3.3), and how mail programs are set up.
//!
//! Invariants: nothing here needs a login or changes anything; a domain that is not ours has
//! nothing.

use crate::{autoconfig, bridge::Bridge, context::Context, sts};
use mail::Domain;
use std::{future::pending, sync::Arc};
use wire::http::{Request, Response, Session};

/// The world's side of one connection.
pub struct Https {
    context: Arc<Context>,
}

/// A machine and a bridge for a new connection.
#[must_use]
pub fn session(context: &Arc<Context>) -> (Session, Https) {
    (Session::default(), Https { context: Arc::clone(context) })
}

impl Bridge for Https {
    type Machine = Session;

    async fn perform(&mut self, session: &mut Session, request: Request) {
        let response = self.answer(&request).await;
        tracing::debug!(host = request.host, path = request.path, response.status, "https");
        session.answer(&response);
    }

    async fn news(&mut self) {
        pending::<()>().await;
    }
}

impl Https {
    async fn answer(&self, request: &Request) -> Response {
        let host = &*request.host;
        let name = match &*request.path {
            sts::PATH => host.strip_prefix("mta-sts."),
            autoconfig::PATH => host.strip_prefix("autoconfig."),
            autoconfig::WELL_KNOWN_PATH => Some(host),
            _ => None,
        };
        let Some(domain) = name.and_then(Domain::parse) else { return Response::NOT_FOUND };
        match self.context.accounts.directory().has_domain(&domain).await {
            Ok(true) => self.document(&request.path, &domain),
            Ok(false) => Response::NOT_FOUND,
            Err(error) => {
                tracing::error!(%error, "domains cannot be looked up");
                Response::UNAVAILABLE
            }
        }
    }
    fn document(&self, path: &str, domain: &Domain) -> Response {
        let Context { sts, host_name, protocols, .. } = &*self.context;
        if path != sts::PATH {
            let text = autoconfig::document(&domain.to_ascii(), host_name, protocols);
            return Response::found("text/xml", text);
        }
        sts.as_ref().map_or(Response::NOT_FOUND, |policy| {
            Response::found("text/plain", policy.text.clone())
        })
    }
}
