//! SASL exchanges: the first octet chooses the mechanism, the second how the world answers; then come
//! the client's responses, divided by FF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::auth::{Answer, Ask, Refusal, ScramKeys};
use wire::sasl::{Exchange, Mechanism, TOKEN_OCTETS_MAX, Turn};

const LOGIN: &str = "ana@example.test";

fuzz_target!(|data: &[u8]| {
    let [choice, world, responses @ ..] = data else { return };
    // The two bits of the seeds, then one that came later.
    let mechanism = match (choice & 16 != 0, choice & 3) {
        (true, 0 | 1) => Mechanism::OAuthBearer,
        (true, _) => Mechanism::XOAuth2,
        (false, 0) => Mechanism::Plain,
        (false, 1) => Mechanism::Login,
        (false, 2) => Mechanism::ScramSha256,
        (false, _) => Mechanism::ScramSha256Plus,
    };
    let exporter = (choice & 4 != 0).then_some([7; 32]);
    let mut exchange = Exchange::new(mechanism, exporter).scoped("imap");
    let mut responses = responses.split(|octet| *octet == 0xff);
    let initial = if choice & 8 != 0 { responses.next() } else { None };
    let mut turn = exchange.start(initial);
    let (mut asked, mut said_yes) = (0, false);
    loop {
        turn = match turn {
            Turn::Challenge(challenge) => {
                assert!(challenge.len() < 4_096);
                let Some(response) = responses.next() else { return };
                exchange.respond(response)
            }
            Turn::Ask(ask) => {
                asked += 1;
                assert!(asked <= 2, "more questions than a mechanism has");
                let yes = world.rotate_left(asked) & 1 == 0;
                exchange.answered(answer(&ask, yes, &mut said_yes))
            }
            Turn::Accepted { login } => {
                assert!(said_yes, "accepted by nobody");
                assert_eq!(login, LOGIN);
                return;
            }
            Turn::Failed(_) => {
                // Over is over.
                assert!(matches!(exchange.respond(b"\0a\0b"), Turn::Failed(_)));
                return;
            }
        };
    }
});

/// A world that says yes also where it should not: to a proof that is wrong.
fn answer(ask: &Ask, yes: bool, said_yes: &mut bool) -> Answer {
    match ask {
        Ask::Scram { login } => {
            assert!(!login.is_empty());
            let (stored_key, server_key) = ([1; 32], [2; 32]);
            let keys = ScramKeys { salt: vec![1], iterations: 1, stored_key, server_key };
            Answer::Scram { keys, nonce: [5; 18] }
        }
        Ask::Password { login, .. } => {
            assert!(!login.is_empty());
            *said_yes |= yes;
            accepted(yes)
        }
        Ask::Token { authzid, token } => {
            assert!(!authzid.contains(char::is_control));
            assert!(!token.reveal().is_empty() && token.reveal().len() <= TOKEN_OCTETS_MAX);
            assert!(token.reveal().iter().all(u8::is_ascii_graphic));
            *said_yes |= yes;
            accepted(yes)
        }
        Ask::ScramEnded { proven, .. } => {
            *said_yes |= yes && *proven;
            accepted(yes)
        }
    }
}

fn accepted(yes: bool) -> Answer {
    if yes {
        Answer::Accepted { login: LOGIN.to_owned() }
    } else {
        Answer::Refused(Refusal::Credentials)
    }
}
