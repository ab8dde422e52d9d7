//! Threads: what ties messages together (RFC 5256 §2.1 base subject, References).

/// The base subject of RFC 5256 §2.1 of a decoded subject, and whether it marked a reply or forward.
#[must_use]
pub fn base_subject(_decoded: &str) -> (String, bool) {
    todo!()
}

/// Message ids in a References, In-Reply-To or Message-ID value, in order, without `<>`.
#[must_use]
pub fn message_ids(_value: &[u8]) -> Vec<Vec<u8>> {
    todo!()
}
