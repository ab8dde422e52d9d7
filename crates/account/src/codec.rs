//! Encoding of values: varints and length-prefixed bytes. Reading damaged bytes gives `None`,
//! never a panic.

/// Appends values.
#[derive(Default)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn number(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            #[allow(clippy::cast_possible_truncation)]
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        #[allow(clippy::cast_possible_truncation)]
        self.0.push(value as u8);
        self
    }
    pub fn signed(&mut self, value: i64) -> &mut Self {
        #[allow(clippy::cast_sign_loss)]
        self.number(((value << 1) ^ (value >> 63)) as u64)
    }
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
    pub fn done(&mut self) -> bytes::Bytes {
        std::mem::take(&mut self.0).into()
    }
}

/// Reads values in the order they were written.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
    pub fn number32(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }
    pub fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        #[allow(clippy::cast_possible_wrap)]
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
