//! What accounts may send, as whoever runs the server sets it.

use super::{
    Failure, OwnLimit, Reply, Request, SendingDetails,
    perform::{Admin, told},
};
use account::directory::{AccountInfo, Sending};

impl OwnLimit {
    const fn max(self) -> Option<u32> {
        match self {
            Self::Default => None,
            Self::Max(max) => Some(max),
        }
    }
}

impl Admin {
    /// Requests about what an account may send.
    pub(super) async fn sending(&self, request: Request) -> Result<Reply, Failure> {
        let directory = self.accounts.directory();
        match request {
            Request::AccountLimits { address, hour, day } => {
                let info = self.find(&address).await?;
                let edit = |known: Sending| Sending {
                    recipients_hour_max: hour.map_or(known.recipients_hour_max, OwnLimit::max),
                    recipients_day_max: day.map_or(known.recipients_day_max, OwnLimit::max),
                    ..known
                };
                let done = directory.set_sending(&info.address, edit).await;
                done.map_err(|error| told(error, &address))?;
                Ok(Reply::Done)
            }
            Request::AccountSending { address, paused } => {
                let info = self.find(&address).await?;
                let edit = |known| Sending { paused, ..known };
                let done = directory.set_sending(&info.address, edit).await;
                done.map_err(|error| told(error, &address))?;
                tracing::info!(account = info.id.0, paused, "sending");
                if let (false, Some(server)) = (paused, self.server()) {
                    server.outbound.resume(info.id);
                }
                Ok(Reply::Done)
            }
            _ => Err(Failure::ours("not a request about sending")),
        }
    }

    /// What an account may send, and has sent, where the server runs.
    pub(super) async fn sending_of(&self, info: &AccountInfo) -> Result<SendingDetails, Failure> {
        let sending = self.accounts.directory().sending(info.id);
        let sent = match self.server() {
            Some(server) => Some(server.outbound.sent(info.id).await.map_err(Failure::ours)?),
            None => None,
        };
        Ok(SendingDetails {
            paused: sending.paused,
            recipients_hour_max: sending.recipients_hour_max,
            recipients_day_max: sending.recipients_day_max,
            recipients_hour: sent.map(|(hour, _)| hour),
            recipients_day: sent.map(|(_, day)| day),
        })
    }
}
