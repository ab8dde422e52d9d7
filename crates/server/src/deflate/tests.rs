//! The layer by itself: against the other direction of the same library, and against harm.

use super::*;

fn inflate_all(layer: &mut Deflate, compressed: &[u8]) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    let mut room = vec![0; INFLATED_OCTETS_MAX];
    for piece in compressed.chunks(READ_OCTETS_MAX) {
        layer.put(piece);
        while layer.has_more() {
            let octets = layer.inflate(&mut room)?;
            whole.extend_from_slice(&room[..octets]);
        }
    }
    Ok(whole)
}

/// Octets that do not compress.
fn noise(octets: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(octets).collect()
}

#[test]
fn each_flush_lets_all_be_read() {
    let (mut here, mut there) = (Deflate::default(), Deflate::default());
    for octets in [0, 1, 5, 100, 16_383, 16_384, 70_000] {
        for text in [noise(octets), vec![b'x'; octets]] {
            let sent = here.deflate(&text, Flush::Sync).unwrap();
            assert_eq!(inflate_all(&mut there, &sent).unwrap(), text);
        }
    }
}

#[test]
fn a_rest_goes_unnoticed_by_the_peer() {
    let (mut here, mut there) = (Deflate::default(), Deflate::default());
    for _ in 0..3 {
        let first = here.deflate(b"* 3 EXISTS\r\n", Flush::None).unwrap();
        let last = here.deflate(b"a OK done\r\n", Flush::Sync).unwrap();
        let mut heard = inflate_all(&mut there, &first).unwrap();
        heard.extend(inflate_all(&mut there, &last).unwrap());
        assert_eq!(heard, b"* 3 EXISTS\r\na OK done\r\n");
        assert!(here.is_warm());
        here.rest();
        assert!(!here.is_warm());
    }
}

#[test]
fn pieces_are_bounded_and_nothing_is_kept() {
    let mut here = Deflate::default();
    let bomb = here.deflate(&vec![0; 10 << 20], Flush::Sync).unwrap();
    assert!(bomb.len() < 64 << 10);
    let mut there = Deflate::default();
    assert_eq!(inflate_all(&mut there, &bomb).unwrap().len(), 10 << 20);
    assert!(there.compressed.is_empty() && there.compressed.capacity() == 0);
}

#[test]
fn what_is_not_deflate_fails() {
    for garbage in [&b"b NOOP\r\n"[..], &[0x07], &[0xff; 100], b"\x00\x01\x00\x01\x00"] {
        assert!(inflate_all(&mut Deflate::default(), garbage).is_err(), "{garbage:?}");
    }
}

#[test]
fn octets_without_content_are_bounded() {
    // Empty stored blocks, as a sync flush writes them.
    let empty = b"\x00\x00\x00\xff\xff".repeat(EMPTY_OCTETS_MAX / 5);
    let mut layer = Deflate::default();
    assert_eq!(inflate_all(&mut layer, &empty).unwrap(), b"");
    let more = EMPTY_OCTETS_MAX - empty.len();
    assert!(inflate_all(&mut layer, &b"\x00\x00\x00\xff\xff"[..more]).is_ok());
    assert!(inflate_all(&mut layer, &b"\x00\x00\x00\xff\xff"[more..=more]).is_err());
    // Content begins a new count.
    let mut layer = Deflate::default();
    let word = Deflate::default().deflate(b"a NOOP\r\n", Flush::Sync).unwrap();
    for _ in 0..3 {
        inflate_all(&mut layer, &empty).unwrap();
        assert_eq!(inflate_all(&mut layer, &word).unwrap(), b"a NOOP\r\n");
    }
}

#[test]
fn the_end_of_the_stream_is_an_end() {
    let mut end = Vec::with_capacity(100);
    let mut compressor = Compress::new(Compression::new(1), false);
    compressor.compress_vec(b"a LOGOUT\r\n", &mut end, Flush::Finish).unwrap();
    let mut layer = Deflate::default();
    end.extend_from_slice(b"behind it");
    assert_eq!(inflate_all(&mut layer, &end).unwrap(), b"a LOGOUT\r\n");
    assert!(layer.is_ended() && !layer.has_more());
    assert_eq!(layer.behind_end(), "behind it");
}
