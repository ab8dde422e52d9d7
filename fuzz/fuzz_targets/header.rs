//! Header fields and the values in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::{Address, Envelope, EnvelopeRef, envelope, header, thread};

fuzz_target!(|data: &[u8]| {
    let octets = header::header_octets(data);
    let mut rest = &data[..octets];
    for field in header::fields(data) {
        rest = rest.strip_prefix(field.raw).unwrap();
        assert!(!field.unfolded().contains(&b'\n'));
        value(field.value);
    }
    assert!(matches!(rest, b"" | b"\n" | b"\r\n"));

    let envelope = Envelope::parse(&data[..octets]);
    let mut packed = Vec::new();
    envelope.pack(&mut packed);
    let (borrowed, rest) = EnvelopeRef::unpack(&packed).unwrap();
    assert!(rest.is_empty());
    assert_eq!(borrowed.to_owned(), envelope);
    let _ = Envelope::unpack(data);
});

fn value(value: &[u8]) {
    if let Some((_, zone_minutes)) = header::date(value) {
        assert!(zone_minutes.abs() <= 100 * 60);
    }
    let list = envelope::address_list(value);
    let opened = list.iter().filter(|m| m.mailbox.is_some() && m.host.is_none()).count();
    assert_eq!(opened, list.iter().filter(|m| m.mailbox.is_none()).count());
    assert!(thread::message_ids(value).iter().all(|id| !id.is_empty()));
    if let Ok(text) = std::str::from_utf8(value.trim_ascii())
        && let Some(address) = Address::parse(text)
    {
        assert_eq!(Address::parse(&address.to_string()), Some(address.clone()));
        assert!(address.to_string().len() <= 254);
        assert!(!address.fold().is_empty());
    }
}
