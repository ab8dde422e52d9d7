//! A machine and a bridge for each connection, by protocol.

use crate::{
    bridge::{Bridge, https, imap, pop3, smtp},
    config::Config,
    context::{Context, Peer},
    driver::{Driver, Ended, Shared},
    protocol::Protocol,
};
use std::sync::Arc;
use tokio::{net::TcpStream, sync::watch};

/// Makes the sessions of a server.
pub struct Sessions {
    context: Arc<Context>,
    imap: imap::Shared,
    pop3: pop3::Shared,
    smtp: smtp::Shared,
}

/// A connection's socket, and who is there.
pub type Connected = (TcpStream, Peer);

impl Sessions {
    /// `tls` says whether there is a certificate; without one nobody can log in.
    #[must_use]
    pub fn new(config: &Config, context: &Arc<Context>, tls: bool) -> Self {
        let imap = ::imap::Options {
            limits: ::imap::Limits {
                command_messages_max: config.command_messages_max,
                saved_messages_max: config.saved_messages_max,
                ..::imap::Limits::default()
            },
            host: config.host_name.clone(),
            tls_required: true,
            starttls: tls,
            append_octets_max: config.mail.message_octets_max,
            hidden_capabilities: config.imap_hidden_capabilities.clone(),
            jmap_session_url: config.jmap_session_url.clone(),
        };
        let pop3 = ::pop3::Options {
            limits: ::pop3::Limits::default(),
            host_name: config.host_name.clone(),
            starttls: tls,
            outlook_2003: config.pop3_outlook_2003,
        };
        let limits = ::smtp::Limits {
            message_octets_max: config.mail.message_octets_max,
            ..::smtp::Limits::default()
        };
        let entries = imap::ServerEntries {
            comment: config.metadata_comment.clone(),
            admin: config.metadata_admin.clone(),
        };
        let transit = config.mail.transit_octets_max;
        Self {
            context: Arc::clone(context),
            smtp: smtp::Shared::new(context, limits, tls, transit),
            pop3: pop3::Shared::new(pop3),
            imap: imap::Shared::new(imap, transit).with_entries(entries),
        }
    }

    /// Runs one connection to its end.
    pub async fn run(
        &self,
        protocol: Protocol,
        (stream, peer): Connected,
        shared: Arc<Shared>,
        shutdown: watch::Receiver<bool>,
    ) -> Ended {
        let secure = protocol.implicit_tls();
        match protocol {
            Protocol::Imaps | Protocol::Imap => {
                let session = self.imap.session(&self.context, peer);
                drive(stream, session, shared, (shutdown, secure)).await
            }
            Protocol::Submissions | Protocol::Submission => {
                let session = self.smtp.session(&self.context, peer, ::smtp::Kind::Submission);
                drive(stream, session, shared, (shutdown, secure)).await
            }
            Protocol::Smtp => {
                let session = self.smtp.session(&self.context, peer, ::smtp::Kind::Reception);
                drive(stream, session, shared, (shutdown, secure)).await
            }
            Protocol::Lmtp => {
                let session = self.smtp.session(&self.context, peer, ::smtp::Kind::Lmtp);
                drive(stream, session, shared, (shutdown, secure)).await
            }
            Protocol::Https => {
                drive(stream, https::session(&self.context), shared, (shutdown, secure)).await
            }
            Protocol::Pop3s | Protocol::Pop3 => {
                let session = self.pop3.session(&self.context, peer);
                drive(stream, session, shared, (shutdown, secure)).await
            }
        }
    }
}

/// Boxed: a connection holds the room of its own protocol, not of the largest.
async fn drive<B: Bridge>(
    stream: TcpStream,
    session: (B::Machine, B),
    shared: Arc<Shared>,
    (shutdown, secure): (watch::Receiver<bool>, bool),
) -> Ended {
    Box::pin(Driver::new(stream, session, shared, shutdown).run(secure)).await
}
