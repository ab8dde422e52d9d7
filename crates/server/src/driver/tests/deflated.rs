//! A connection that is compressed: `Step::Compress` and `Step::EndCompress`.

use super::*;
use flate2::{Compress, Compression, Decompress, FlushDecompress};

/// A peer that compresses.
struct Peer {
    world: World,
    compress: Compress,
    decompress: Decompress,
    heard: Vec<u8>,
}

impl Peer {
    async fn new() -> Self {
        let mut world = world(None);
        world.say("DEFLATE\n").await;
        world.hear("go\n").await;
        let compress = Compress::new(Compression::new(6), false);
        Self { world, compress, decompress: Decompress::new(false), heard: Vec::new() }
    }

    fn packed(&mut self, text: &[u8], flush: Flush) -> Vec<u8> {
        let mut packed = Vec::with_capacity(text.len() + 1024);
        self.compress.compress_vec(text, &mut packed, flush).unwrap();
        packed
    }

    async fn say(&mut self, text: &str) {
        let packed = self.packed(text.as_bytes(), Flush::Sync);
        self.world.client.write_all(&packed).await.unwrap();
    }

    /// All that came when something came; whether the server goes on.
    async fn listen(&mut self) -> bool {
        let mut packed = vec![0; 8 << 10];
        let octets = self.world.client.read(&mut packed).await.unwrap();
        let mut rest = &packed[..octets];
        while !rest.is_empty() {
            let before = self.decompress.total_in();
            self.heard.reserve(64 << 10);
            let flush = FlushDecompress::Sync;
            self.decompress.decompress_vec(rest, &mut self.heard, flush).unwrap();
            let used = (self.decompress.total_in() - before) as usize;
            if used == 0 {
                // Behind the end of the stream.
                self.heard.extend_from_slice(rest);
                break;
            }
            rest = &rest[used..];
        }
        octets > 0
    }

    async fn hear(&mut self, text: &str) {
        while self.heard.len() < text.len() {
            assert!(self.listen().await, "{:?}", String::from_utf8_lossy(&self.heard));
        }
        let heard: Vec<u8> = self.heard.drain(..text.len()).collect();
        assert_eq!(String::from_utf8_lossy(&heard), text);
    }
}

#[tokio::test(start_paused = true)]
async fn both_directions_are_compressed_after_the_answer() {
    let mut peer = Peer::new().await;
    peer.say("ECHO a\nECHO b\n").await;
    peer.hear("ECHO a\nECHO b\n").await;
    peer.world.news.send(()).unwrap();
    peer.hear("news\n").await;
    // The compressor rests meanwhile.
    tokio::time::advance(REST_AFTER * 2).await;
    peer.say("ECHO c\nBIG\nQUIT\n").await;
    peer.hear("ECHO c\n").await;
    while peer.listen().await {}
    assert_eq!(peer.heard, vec![b'x'; 1 << 20]);
    drop(peer.world.client);
    assert!(matches!(peer.world.ended.await.unwrap(), Ended::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_peer_is_timed_out_as_in_clear() {
    let mut peer = Peer::new().await;
    peer.say("ECHO a\n").await;
    peer.hear("ECHO a\n").await;
    let start = Instant::now();
    peer.hear("too slow\n").await;
    assert!((599..=601).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_the_connection() {
    let mut peer = Peer::new().await;
    peer.world.say("ECHO in clear\n").await;
    let ended = peer.world.ended.await.unwrap();
    assert_eq!(ended.to_string(), "lost: not DEFLATE");
}

#[tokio::test(start_paused = true)]
async fn much_in_few_octets_is_heard_whole() {
    let mut peer = Peer::new().await;
    let line = format!("{}\n", "x".repeat(1 << 20));
    peer.say(&line).await;
    peer.hear(&line).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_is_told_as_the_end_of_input() {
    let mut peer = Peer::new().await;
    let packed = peer.packed(b"ECHO a\n", Flush::Finish);
    peer.world.client.write_all(&packed).await.unwrap();
    peer.hear("ECHO a\neof\n").await;
}

#[tokio::test(start_paused = true)]
async fn compression_ends_and_what_is_behind_its_end_is_in_clear() {
    let mut peer = Peer::new().await;
    let mut packed = peer.packed(b"ECHO a\nCLEAR\n", Flush::Finish);
    packed.extend_from_slice(b"ECHO b\n");
    peer.world.client.write_all(&packed).await.unwrap();
    peer.hear("ECHO a\nclear\nECHO b\n").await;
    peer.world.say("ECHO c\nQUIT\n").await;
    peer.world.hear_end("ECHO c\n").await;
}
