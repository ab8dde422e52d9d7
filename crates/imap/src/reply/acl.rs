//! ACL, LISTRIGHTS and MYRIGHTS responses (RFC 4314 §3.6 to §3.8).

use super::{Reply, string::astring, string::mailbox_name};
use mail::Rights;

impl Reply<'_> {
    /// `* ACL mailbox identifier rights …`
    pub fn acl(&mut self, mailbox: &str, entries: &[(String, Rights)]) {
        self.out.put(b"* ACL ");
        mailbox_name(self.out, mailbox, self.enabled);
        for (identifier, rights) in entries {
            self.out.put(b" ");
            astring(self.out, identifier.as_bytes(), self.enabled);
            self.rights(&rights.to_string());
        }
        self.out.put(b"\r\n");
    }

    /// `* LISTRIGHTS mailbox identifier required optional …`: each of `optional` may be granted
    /// without the others.
    pub fn list_rights(
        &mut self,
        mailbox: &str,
        identifier: &str,
        (required, optional): (Rights, Rights),
    ) {
        self.out.put(b"* LISTRIGHTS ");
        mailbox_name(self.out, mailbox, self.enabled);
        self.out.put(b" ");
        astring(self.out, identifier.as_bytes(), self.enabled);
        self.rights(&required.letters());
        for one in optional.each() {
            self.rights(&one.letters());
        }
        self.out.put(b"\r\n");
    }

    /// `* MYRIGHTS mailbox rights`
    pub fn my_rights(&mut self, mailbox: &str, rights: Rights) {
        self.out.put(b"* MYRIGHTS ");
        mailbox_name(self.out, mailbox, self.enabled);
        self.rights(&rights.to_string());
        self.out.put(b"\r\n");
    }

    fn rights(&mut self, letters: &str) {
        self.out.put(b" ");
        self.out.put(if letters.is_empty() { b"\"\"" } else { letters.as_bytes() });
    }
}
