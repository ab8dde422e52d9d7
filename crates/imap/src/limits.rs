//! Limits of a session: what a peer may cost. Each is a setting with its unit last.

/// Limits on what a client may send. At a limit is allowed, one more is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of one command before login, literals included.
    pub greeting_command_octets_max: usize,
    /// Octets of one command after login, literals included, message literals of APPEND not
    /// (clients send Uid sets of tens of kilobytes; RFC 7162 §4 asks for 8,192 at least).
    pub command_octets_max: usize,
    /// Octets of one non-synchronising literal that is no message, LITERAL- (RFC 7888 §5).
    pub literal_minus_octets_max: usize,
    /// Nesting of parentheses and of NOT and OR in SEARCH.
    pub nesting_max: usize,
    /// Search keys of one SEARCH.
    pub search_keys_max: usize,
    /// Mailboxes that one filter of ESEARCH or NOTIFY names (RFC 5465 §6).
    pub filter_mailboxes_max: usize,
    /// Results of searches that one session has kept up to date (RFC 5267 §4.3.1).
    pub contexts_max: usize,
    /// Entries that one GETMETADATA, SETMETADATA or LIST names (RFC 5464).
    pub metadata_entries_max: usize,
    /// BAD answers in a row before the session is ended.
    pub bad_commands_max: u32,
    /// BAD and NO answers altogether before login after which the session is ended.
    pub greeting_failures_max: u32,
    /// Groups of events of one NOTIFY (RFC 5465).
    pub notify_groups_max: usize,
    /// Messages that one command takes, MESSAGELIMIT (RFC 9738); 0 for any number, and nothing is
    /// shown.
    pub command_messages_max: u32,
    /// Messages that one COPY, MOVE or APPEND makes, SAVELIMIT (RFC 9738); 0 as above.
    pub saved_messages_max: u32,
    /// Messages of one batch of UIDBATCHES, at least (RFC 10022: no more than 500).
    pub batch_messages_min: u32,
    /// Messages of one APPEND (RFC 3502).
    pub append_messages_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            greeting_command_octets_max: 8 * 1024,
            command_octets_max: 512 * 1024,
            literal_minus_octets_max: 4096,
            nesting_max: 50,
            search_keys_max: 2_000,
            filter_mailboxes_max: 1_000,
            contexts_max: 16,
            metadata_entries_max: 256,
            bad_commands_max: 20,
            greeting_failures_max: 10,
            notify_groups_max: 100,
            command_messages_max: 0,
            saved_messages_max: 0,
            batch_messages_min: 500,
            append_messages_max: 1_000,
        }
    }
}
