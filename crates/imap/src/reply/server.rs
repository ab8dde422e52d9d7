//! Responses about the server and the session, not about mail: CAPABILITY, ENABLED, ID, NAMESPACE,
//! BYE.

use super::{Reply, quoted};

impl Reply<'_> {
    /// `* CAPABILITY …` (RFC 9051 §7.2.2)
    pub(crate) fn capability(&mut self, capabilities: &str) {
        self.out.put(b"* ");
        self.out.put(capabilities.as_bytes());
        self.out.put(b"\r\n");
    }

    /// `* ENABLED …` (RFC 9051 §7.2.1): what was enabled now; nothing is an answer too.
    pub(crate) fn enabled_now<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        self.out.put(b"* ENABLED");
        for name in names {
            self.out.put(b" ");
            self.out.put(name.as_bytes());
        }
        self.out.put(b"\r\n");
    }

    /// `* ID (…)` (RFC 2971 §3.2). Without a version, which would help nobody but attackers.
    pub(crate) fn id(&mut self) {
        self.out.put(b"* ID (\"name\" \"Palomar\")\r\n");
    }

    /// `* NAMESPACE …` (RFC 9051 §7.3.2): one personal namespace, without prefix.
    pub(crate) fn namespace(&mut self) {
        self.out.put(b"* NAMESPACE ((\"\" \"/\")) ((\"Other Users/\" \"/\")) NIL\r\n");
    }

    /// `* JMAPACCESS "url"` (RFC 9698 §4)
    pub(crate) fn jmap_access(&mut self, url: &str) {
        self.out.put(b"* JMAPACCESS ");
        quoted(self.out, url.as_bytes());
        self.out.put(b"\r\n");
    }

    /// `* BYE text` (RFC 9051 §7.1.5)
    pub(crate) fn bye(&mut self, text: &str) {
        self.out.put(b"* BYE ");
        self.out.put(text.as_bytes());
        self.out.put(b"\r\n");
    }
}
