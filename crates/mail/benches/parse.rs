//! `cargo bench -p mail`: what ingest and listing cost per message. Prints nanoseconds; medians of
//! many rounds, as other programs may be running.

use mail::mime::Limits;
use mail::{Envelope, EnvelopeRef, Structure, StructureRef, header, mime, text};
use std::hint::black_box;
use std::time::Instant;

/// A message of about 4 KB: 25 header fields, an alternative of plain and HTML text.
fn sample() -> Vec<u8> {
    let mut message = String::new();
    for hop in 0..4 {
        message += &format!(
            "Received: from mx{hop}.example.test (mx{hop}.example.test [192.0.2.{hop}])\r\n\
             \tby mail.example.test (Palomar) with ESMTPS id abcdefgh{hop}\r\n\
             \tfor <ana@example.test>; Mon, 23 Nov 2026 08:51:0{hop} +0000\r\n"
        );
    }
    message += "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.test; s=sel;\r\n\
        \th=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\
        \tb=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZVoG4ZHRNiYzR\r\n\
        From: =?utf-8?q?Jos=C3=A9_Garc=C3=ADa?= <jose@example.test>\r\n\
        To: Ana Ruiz <ana@example.test>, \"Bruno, el otro\" <bruno@example.test>\r\n\
        Cc: equipo@example.test\r\nSubject: Re: =?utf-8?q?reuni=C3=B3n?= del lunes\r\n\
        Date: Mon, 23 Nov 2026 08:51:00 +0100\r\nMessage-ID: <20261123085100.1234@example.test>\r\n\
        In-Reply-To: <20261122010203.999@example.test>\r\n\
        References: <a@example.test> <20261122010203.999@example.test>\r\nMIME-Version: 1.0\r\n\
        X-Mailer: Thing 1.0\r\nList-Id: Equipo <equipo.example.test>\r\n\
        Content-Type: multipart/alternative; boundary=\"----=_Part_123456_789.1234567890\"\r\n\
        Content-Language: es\r\n\r\n";
    for (kind, line) in [
        ("plain", "Hola a todos, nos vemos el lunes a las diez en la sala.\r\n"),
        ("html", "<p>Hola a todos, nos vemos el <b>lunes</b> a las diez en la sala.</p>\r\n"),
    ] {
        message += &format!(
            "------=_Part_123456_789.1234567890\r\nContent-Type: text/{kind}; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n",
            line.repeat(15)
        );
    }
    message += "------=_Part_123456_789.1234567890--\r\n";
    message.into_bytes()
}

fn measure(what: &str, mut work: impl FnMut()) {
    const CALLS: u32 = 1_000;
    let mut rounds: Vec<u128> = (0..101)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| work());
            start.elapsed().as_nanos() / u128::from(CALLS)
        })
        .collect();
    rounds.sort_unstable();
    println!("{what:<40} {:>8} ns", rounds.get(50).copied().unwrap_or_default());
}

fn main() {
    let message = sample();
    let message = message.as_slice();
    let limits = Limits::default();
    let structure = Structure::parse(message, &limits);
    let header = message.get(..header::header_octets(message)).unwrap_or_default();
    let envelope = Envelope::parse(header);
    let (mut packed_structure, mut packed_envelope) = (Vec::new(), Vec::new());
    structure.pack(&mut packed_structure);
    envelope.pack(&mut packed_envelope);
    println!(
        "message {} octets, packed structure {}, packed envelope {}",
        message.len(),
        packed_structure.len(),
        packed_envelope.len()
    );
    measure("Structure::parse", || drop(black_box(Structure::parse(black_box(message), &limits))));
    measure("Envelope::parse", || drop(black_box(Envelope::parse(black_box(header)))));
    measure("header_octets", || {
        black_box(header::header_octets(black_box(message)));
    });
    measure("preview of 200", || {
        black_box(text::preview(&structure, black_box(message), 200));
    });
    let mut out = Vec::with_capacity(4096);
    measure("Structure::pack", || {
        out.clear();
        structure.pack(&mut out);
        black_box(&out);
    });
    measure("Structure::unpack", || {
        drop(black_box(Structure::unpack(black_box(&packed_structure))))
    });
    measure("StructureRef, all parts", || {
        let mut walk = StructureRef::open(black_box(&packed_structure));
        while let Some(part) = walk.as_mut().and_then(StructureRef::next_part) {
            black_box(part.lines);
        }
    });
    measure("Envelope::unpack", || drop(black_box(Envelope::unpack(black_box(&packed_envelope)))));
    measure("EnvelopeRef::unpack", || {
        let envelope = EnvelopeRef::unpack(black_box(&packed_envelope));
        black_box(envelope.is_some());
    });
    let folded = message.to_vec().repeat(100);
    let folded = String::from_utf8_lossy(&folded).into_owned();
    measure("casemap of the message", || {
        black_box(text::casemap(black_box(folded.get(..message.len()).unwrap_or_default())));
    });
    let encoded =
        b"QW5hIFJ1aXogZXNjcmliZSBhIEJydW5vLCBxdWUgbm8gbGUgY29udGVzdGEgbnVuY2EgbmFkYS4=\r\n";
    let encoded: Vec<u8> = encoded.repeat(50).into_iter().filter(|b| *b != b'=').collect();
    measure("base64 of 4 KB", || {
        black_box(mime::decode(black_box(&encoded), &mail::Encoding::Base64));
    });
}
