//! Identifiers and counters. Each is a newtype: an account's number never passes for a mailbox's.

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// An account of this installation; 0 is the directory (domains, addresses, settings).
    AccountId(u32)
);
number!(
    /// A mailbox of an account, for life: a rename keeps it, a new mailbox of that name has
    /// another.
    MailboxId(u32)
);
number!(
    /// A message of an account, permanent and never reused (RFC 8474 EMAILID, POP3 UIDL).
    MessageId(u32)
);
number!(
    /// A conversation: the id of the first message that was seen of it (RFC 8474 THREADID).
    ThreadId(u32)
);
number!(
    /// Unique identifier of a message in a mailbox (RFC 9051 §2.3.1.1); 1 and up, only grows.
    Uid(u32)
);
number!(
    /// A mailbox's UIDVALIDITY (RFC 9051 §2.3.1.1); never 0.
    UidValidity(u32)
);
number!(
    /// The number of an account's commit (RFC 7162 §3.1); 63 bits, only grows.
    ModSeq(u64)
);

impl ModSeq {
    /// The commit after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Uid {
    /// The Uid after this one; saturates at the largest.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
