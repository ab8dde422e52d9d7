//! How many recipients elsewhere an account may write to: a stolen password cannot be used to
//! write to the world, and its owner hears of it.

use super::Outbound;
use account::{Error, directory::Sending};
use delivery::{Submitted, trace};
use mail::{AccountId, Address};

const ENGLISH: &str = "\
This account has written to as many recipients as it may for now, and sends no\r\n\
more until the numbers above have gone down. If it was not you, change the\r\n\
password at once: somebody else has it.\r\n";
const SPANISH: &str = "\
Esta cuenta ha escrito a tantos destinatarios como se permite por ahora y no\r\n\
enviará más hasta que bajen las cifras de arriba. Si no ha sido usted, cambie la\r\n\
contraseña enseguida: alguien más la tiene.\r\n";
const GERMAN: &str = "\
Dieses Konto hat an so viele Empfänger geschrieben, wie es zurzeit darf, und\r\n\
sendet nichts mehr, bis die Zahlen oben gesunken sind. Wenn Sie das nicht waren,\r\n\
ändern Sie sofort das Passwort: Jemand anderes hat es.\r\n";

/// Limits of each account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountLimits {
    /// Recipients within an hour; 0: any number.
    pub recipients_hour_max: u32,
    /// Recipients within a day; 0: any number.
    pub recipients_day_max: u32,
    /// Who is told besides the owner; `postmaster` of the account's domain when there is none.
    pub notice_address: Option<Address>,
}

impl AccountLimits {
    /// With an account's own.
    fn with(&self, own: Sending) -> Self {
        Self {
            recipients_hour_max: own.recipients_hour_max.unwrap_or(self.recipients_hour_max),
            recipients_day_max: own.recipients_day_max.unwrap_or(self.recipients_day_max),
            notice_address: None,
        }
    }

    /// Whether an account that wrote to so many in the last hour and day may write to so many more.
    fn admit(&self, (hour, day): (u32, u32), more: u32) -> bool {
        let within = |count: u32, max: u32| max == 0 || count.saturating_add(more) <= max;
        within(hour, self.recipients_hour_max) && within(day, self.recipients_day_max)
    }
}

impl Outbound {
    /// Whether an account may write to so many more recipients elsewhere. When it may not, its
    /// owner and whoever runs the server are told, once a day.
    ///
    /// # Errors
    /// The store's.
    pub async fn may_send(&self, account: AccountId, more: u32) -> Result<bool, Error> {
        let own = self.accounts().directory().sending(account);
        let limits = self.account_limits().with(own);
        if limits.recipients_hour_max == 0 && limits.recipients_day_max == 0 {
            return Ok(true);
        }
        let (hour, day) = self.sent(account).await?;
        if limits.admit((hour, day), more) {
            return Ok(true);
        }
        tracing::warn!(account = account.0, hour, day, "an account sends no more for now");
        if self.queue().tells_of_limit(account).await? {
            self.notify_limit(account, (hour, day)).await;
        }
        Ok(false)
    }

    /// To how many recipients elsewhere an account wrote in the last hour and day.
    ///
    /// # Errors
    /// The store's.
    pub async fn sent(&self, account: AccountId) -> Result<(u32, u32), Error> {
        let (sent, now) = (self.queue().sent(account).await?, Self::now());
        Ok((sent.in_hour(now), sent.in_day(now)))
    }

    async fn notify_limit(&self, account: AccountId, counts: (u32, u32)) {
        let found = match self.accounts().directory().address_of(account).await {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(account = account.0, %error, "nobody is told of a limit");
                return;
            }
        };
        let postmaster = Address::new("postmaster", found.domain().clone());
        let admin = self.account_limits().notice_address.clone().or(postmaster);
        for to in [Some(found.clone()), admin].into_iter().flatten() {
            let text = self.limit_notice(&found, &to, counts);
            let Ok(route) = self.inbound().route(&to, text.len() as u64).await else {
                tracing::warn!(%to, "nobody is told of a limit there");
                continue;
            };
            let content = text.clone();
            let submitted = Submitted {
                sender: "",
                content: content.as_bytes(),
                one_answer: true,
                explained: None,
            };
            for outcome in self.inbound().deliver(text.into(), &[route], &submitted).await {
                if let Err(problem) = outcome {
                    tracing::error!(%to, ?problem, "a notice was not delivered");
                }
            }
        }
    }

    /// The message, in the three languages: which one its reader has is not known here.
    fn limit_notice(&self, address: &Address, to: &Address, (hour, day): (u32, u32)) -> String {
        let (host, now) = (self.host_name(), Self::now());
        let top = trace::missing(b"\r\n", (now, "limit", host));
        format!(
            "Return-Path: <>\r\n{top}From: Palomar <postmaster@{host}>\r\nTo: <{to}>\r\n\
             Subject: Sending paused / =?utf-8?Q?Env=C3=ADo_en_pausa?= / Versand angehalten\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             {address}: {hour}/h, {day}/24 h\r\n\r\n\
             {ENGLISH}\r\n{SPANISH}\r\n{GERMAN}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_the_limits_and_not_one_more() {
        let limits = AccountLimits {
            recipients_hour_max: 5,
            recipients_day_max: 8,
            ..AccountLimits::default()
        };
        assert!(limits.admit((4, 4), 1) && !limits.admit((5, 5), 1) && !limits.admit((4, 4), 2));
        assert!(limits.admit((0, 7), 1) && !limits.admit((0, 8), 1));
        assert!(AccountLimits::default().admit((u32::MAX, u32::MAX), 1));
        let own = |hour, day| {
            limits.with(Sending {
                recipients_hour_max: hour,
                recipients_day_max: day,
                paused: false,
            })
        };
        assert!(own(Some(6), None).admit((5, 5), 1) && !own(Some(6), None).admit((6, 6), 1));
        assert!(own(Some(0), None).admit((7, 7), 1) && !own(Some(0), None).admit((8, 8), 1));
        assert!(own(Some(0), Some(0)).admit((u32::MAX, u32::MAX), 1));
    }
}
