//! The HTTPS bridge: what is told of our domains to everybody, for now their MTA-STS policy
//! (RFC 8461 §3.3).
//!
//! Invariants: nothing here needs a login or changes anything; a domain that is not ours has
//! nothing.

use crate::{bridge::Bridge, context::Context, sts};
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
        let Some((label, name)) = request.host.split_once('.') else { return Response::NOT_FOUND };
        let Some(domain) = Domain::parse(name) else { return Response::NOT_FOUND };
        let document = match (label, &*request.path) {
            ("mta-sts", sts::PATH) => self.context.sts.as_ref().map(|policy| policy.text.clone()),
            _ => None,
        };
        let Some(text) = document else { return Response::NOT_FOUND };
        match self.context.accounts.directory().has_domain(&domain).await {
            Ok(true) => Response::found("text/plain", text),
            Ok(false) => Response::NOT_FOUND,
            Err(error) => {
                tracing::error!(%error, "domains cannot be looked up");
                Response::UNAVAILABLE
            }
        }
    }
}
