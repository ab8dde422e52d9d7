//! A PROXY protocol header and what follows it, read as a connection would read it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::proxy::{Header, START_OCTETS, V1_OCTETS_MAX, V2_OCTETS_MAX, read};

fuzz_target!(|data: &[u8]| {
    let mut taken = 0;
    loop {
        let Some(octets) = data.get(..taken) else { return };
        match read(octets) {
            Ok(Header::More(more)) => {
                assert!(more > 0, "asks for nothing");
                taken += more;
                let most = V1_OCTETS_MAX.max(START_OCTETS + 4 + V2_OCTETS_MAX);
                assert!(taken <= most, "asks for more than a header can have");
            }
            Ok(Header::Whole(told)) => {
                let same = |(from, to): (std::net::SocketAddr, std::net::SocketAddr)| {
                    assert_eq!(from.is_ipv4(), to.is_ipv4(), "two families");
                };
                told.map(same);
                // What follows makes no difference: it was not asked for.
                return;
            }
            Err(why) => {
                assert!(!why.is_empty());
                return;
            }
        }
    }
});
