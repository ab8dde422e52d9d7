//! Whether a message's reverse-path is its sender's: who may be written to about it.
//!
//! A report to an address that somebody made up goes to a stranger (backscatter). Invariants: that
//! mail arrived is told only to a sender that is proven; nothing is told to one that is forged;
//! where nobody checks, nothing is known and all is told as RFC 5321 §6.1 and RFC 3461 want it.

use super::Authenticity;
use account::queue::{Notify, NotifyWish};
use mail::Address;
use mailauth::{dmarc, spf};

/// What is known of a reverse-path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reverse {
    /// It was not checked: a user of ours, a client of LMTP, or senders are not checked here.
    #[default]
    Unchecked,
    /// Its domain says that the message is from it.
    Proven,
    /// Its domain says nothing.
    Unknown,
    /// Its domain says that the message is not from it.
    Forged,
}

impl Reverse {
    /// By SPF of its domain (RFC 7208), or DMARC (RFC 9989) where it is the author's.
    #[must_use]
    pub fn of(from: &Address, found: &Authenticity) -> Self {
        let spf = found.spf.iter().find(|one| one.identity == spf::Identity::MailFrom);
        let spf = spf.map_or(spf::Verdict::None, |one| one.verdict);
        let domain = from.domain().to_ascii();
        let own = found.dmarc.as_ref().filter(|dmarc| is_of(&domain, dmarc));
        let dmarc = own.map_or(dmarc::Verdict::None, |dmarc| dmarc.verdict);
        match (spf, dmarc) {
            (spf::Verdict::Pass, _) | (_, dmarc::Verdict::Pass) => Self::Proven,
            // Who passed it on is trusted, and breaks both.
            _ if found.vouched.is_some() => Self::Unknown,
            (spf::Verdict::Fail | spf::Verdict::SoftFail, _) | (_, dmarc::Verdict::Fail) => {
                Self::Forged
            }
            _ => Self::Unknown,
        }
    }

    /// Whether the sender may be told that its mail arrived.
    #[must_use]
    pub const fn hears_success(self) -> bool {
        matches!(self, Self::Unchecked | Self::Proven)
    }

    /// What is told, of what the sender wishes.
    #[must_use]
    pub fn notify(self, wish: Notify) -> Notify {
        match (self, wish.0) {
            (Self::Unchecked | Self::Proven, _) | (Self::Unknown, None) => wish,
            (Self::Unknown, Some(wish)) => Notify(Some(NotifyWish { success: false, ..wish })),
            (Self::Forged, _) => Notify(Some(NotifyWish::default())),
        }
    }
}

/// Whether a domain is the author's, or of the same organization.
fn is_of(domain: &str, dmarc: &dmarc::Outcome) -> bool {
    let below = |of: &str| {
        let above = domain.strip_suffix(of);
        !of.is_empty() && above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    domain == dmarc.author || below(&dmarc.organizational)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dmarc::Verdict as D;
    use spf::Verdict as S;

    fn found(spf: S, dmarc: D, author: &str) -> Authenticity {
        let dmarc = dmarc::Outcome {
            verdict: dmarc,
            author: author.to_owned(),
            organizational: "x.test".to_owned(),
            published: None,
            requested: dmarc::Policy::None,
            policy: dmarc::Policy::None,
            spf_aligned: false,
            dkim_aligned: false,
            reason: String::new(),
        };
        let spf = spf::Outcome {
            verdict: spf,
            identity: spf::Identity::MailFrom,
            domain: "x.test".to_owned(),
            mechanism: None,
            reason: String::new(),
            explanation: None,
        };
        Authenticity { spf: vec![spf], dmarc: Some(dmarc), ..Authenticity::default() }
    }

    #[test]
    fn what_spf_and_dmarc_prove() {
        let from = Address::parse("ana@news.x.test").unwrap();
        let of = |spf, dmarc, author| Reverse::of(&from, &found(spf, dmarc, author));
        assert_eq!(of(S::Pass, D::Fail, "x.test"), Reverse::Proven);
        assert_eq!(of(S::Fail, D::Pass, "x.test"), Reverse::Proven);
        assert_eq!(of(S::None, D::Fail, "a.x.test"), Reverse::Forged);
        assert_eq!(of(S::Fail, D::None, "x.test"), Reverse::Forged);
        assert_eq!(of(S::SoftFail, D::None, "x.test"), Reverse::Forged);
        for spf in [S::None, S::Neutral, S::TempError, S::PermError] {
            assert_eq!(of(spf, D::None, "x.test"), Reverse::Unknown);
        }
        // Who signs as somebody else proves nothing of the reverse-path.
        let other = Address::parse("ana@notx.test").unwrap();
        let of_other = |dmarc| Reverse::of(&other, &found(S::None, dmarc, "x.test"));
        assert_eq!((of_other(D::Pass), of_other(D::Fail)), (Reverse::Unknown, Reverse::Unknown));
        let vouched = Authenticity {
            vouched: Some("arc=pass".to_owned()),
            ..found(S::Fail, D::Fail, "x.test")
        };
        assert_eq!(Reverse::of(&from, &vouched), Reverse::Unknown);
    }

    #[test]
    fn what_is_told() {
        let all = Notify::parse("SUCCESS,FAILURE,DELAY");
        let told = |one: Reverse, wish| one.notify(wish).text();
        assert_eq!(told(Reverse::Proven, all).as_deref(), Some("SUCCESS,FAILURE,DELAY"));
        assert_eq!(told(Reverse::Unchecked, all), all.text());
        assert_eq!(told(Reverse::Unknown, all).as_deref(), Some("FAILURE,DELAY"));
        assert_eq!(told(Reverse::Unknown, Notify::parse("SUCCESS")).as_deref(), Some("NEVER"));
        assert_eq!(told(Reverse::Unknown, Notify::default()), None);
        assert_eq!(told(Reverse::Forged, all).as_deref(), Some("NEVER"));
        assert_eq!(told(Reverse::Forged, Notify::default()).as_deref(), Some("NEVER"));
    }
}
