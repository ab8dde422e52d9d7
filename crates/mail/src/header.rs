//! Header fields as they stand in the message (RFC 5322 §2.2).

/// One field: its raw bytes and where name and value are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// The whole field, folded lines and line end included.
    pub raw: &'a [u8],
    /// The name without white space before the colon; empty when the line has no colon.
    pub name: &'a [u8],
    /// What follows the colon, folded, without the last line end.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// Whether the field has this name, without regard to ASCII case.
    #[must_use]
    pub const fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
    /// The value unfolded (RFC 5322 §2.2.3), ends trimmed.
    #[must_use]
    pub fn unfolded(&self) -> Vec<u8> {
        todo!()
    }
}

/// The fields of a header; stops at the empty line or the end. Accepts CRLF and bare LF.
pub fn fields(_header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::empty()
}

/// Length of the header with its empty line.
#[must_use]
pub fn header_octets(_message: &[u8]) -> usize {
    todo!()
}

/// The value of the first field of that name.
#[must_use]
pub fn first<'a>(_header: &'a [u8], _name: &str) -> Option<Field<'a>> {
    todo!()
}

/// Date as seconds since 1970 UTC (RFC 5322 §3.3 with the obsolete zones); and its offset from
/// UTC in minutes.
#[must_use]
pub fn date(_value: &[u8]) -> Option<(i64, i16)> {
    todo!()
}
