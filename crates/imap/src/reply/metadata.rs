//! METADATA responses (RFC 5464 §4.4).

use super::{Reply, astring, decimal, mailbox_name, string::string};

impl Reply<'_> {
    /// `* METADATA mailbox (entry value …)` (§4.4.1); the server's is "". Says nothing of nothing.
    pub fn metadata(&mut self, mailbox: &str, entries: &[(&str, Option<&[u8]>)]) {
        if entries.is_empty() {
            return;
        }
        self.out.put(b"* METADATA ");
        mailbox_name(self.out, mailbox, self.enabled);
        let mut before: &[u8] = b" (";
        for (name, value) in entries {
            self.out.put(before);
            before = b" ";
            astring(self.out, name.as_bytes(), self.enabled);
            self.out.put(b" ");
            self.metadata_value(*value);
        }
        self.out.put(b")\r\n");
    }

    /// `* METADATA mailbox entry …` (§4.4.2): what somebody else changed. "Unsolicited METADATA
    /// responses MUST only contain entry names, not the values."
    pub fn metadata_changed(&mut self, mailbox: &str, entries: &[&str]) {
        if entries.is_empty() {
            return;
        }
        self.out.put(b"* METADATA ");
        mailbox_name(self.out, mailbox, self.enabled);
        for name in entries {
            self.out.put(b" ");
            astring(self.out, name.as_bytes(), self.enabled);
        }
        self.out.put(b"\r\n");
    }

    /// `value = nstring / literal8`: literal8 for NULs, which no string can hold.
    fn metadata_value(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.out.put(b"NIL"),
            Some(value) if value.contains(&0) => {
                self.out.put(b"~{");
                decimal(self.out, value.len() as u64);
                self.out.put(b"}\r\n");
                self.out.put(value);
            }
            Some(value) => string(self.out, value, self.enabled),
        }
    }
}
