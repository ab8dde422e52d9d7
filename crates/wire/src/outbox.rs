//! The one ordered queue of bytes that a session wants to send.

use bytes::BytesMut;

/// Bytes to send, in order.
#[derive(Default, Debug)]
pub struct Outbox {
    bytes: BytesMut,
}

impl Outbox {
    /// Adds bytes at the end.
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
    /// Octets waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// Takes all that waits; the memory goes with it, so that an idle session holds none.
    #[must_use]
    pub fn take(&mut self) -> BytesMut {
        std::mem::take(&mut self.bytes)
    }
}

impl std::io::Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
