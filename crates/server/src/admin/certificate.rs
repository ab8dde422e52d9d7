//! Certificates, as whoever runs the server sees them.

use super::{Failure, Reply, Request, perform::Admin};
use crate::acme;

impl Admin {
    /// Requests about certificates: a running server has them.
    pub(super) async fn certificate(&self, request: Request) -> Result<Reply, Failure> {
        let Some(server) = self.server() else {
            return Err(Failure::refused("certificates are the running server's: start it first"));
        };
        match request {
            Request::CertificateList => {
                let mut rows = match &server.acme {
                    Some(acme) => acme.list().await,
                    None => Vec::new(),
                };
                let known: Vec<_> = rows.iter().map(|row| row.not_after).collect();
                let leaves = server.certificates.iter().flat_map(|all| all.leaves());
                let others = leaves.filter_map(|leaf| acme::row_of(&leaf)).map(|(row, _)| row);
                rows.extend(others.filter(|row| !known.contains(&row.not_after)));
                Ok(Reply::Certificates(rows))
            }
            Request::CertificateRenew { name } => {
                let acme = server.acme.as_ref();
                let acme = acme.ok_or_else(|| Failure::refused("acme.terms_agreed is not set"))?;
                if acme.renew(name.as_deref()).await {
                    return Ok(Reply::Done);
                }
                let name = name.unwrap_or_default();
                Err(Failure::refused(format!("{name}: no certificate of ours has that first name")))
            }
            _ => Err(Failure::ours("not a request about certificates")),
        }
    }
}
