//! Passwords: argon2id, SCRAM-SHA-256 keys of the same password, and app passwords.

use crate::{Error, Options};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac, pbkdf2, rand};
use std::num::NonZeroU32;
use wire::sasl::prepare_password;

/// Iterations of stored SCRAM-SHA-256 keys (RFC 7677 §4: at least 4096).
pub const SCRAM_ITERATIONS: u32 = 10_000;
/// Octets of a SCRAM salt.
pub const SCRAM_SALT_OCTETS: usize = 16;
/// Octets of an app password before it is written in letters: 160 bits.
const APP_PASSWORD_OCTETS: usize = 20;
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub salt: [u8; 16],
    pub cost: (u32, u32, u32),
    pub hash: [u8; 32],
    pub scram_salt: [u8; SCRAM_SALT_OCTETS],
    pub iterations: u32,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut octets = [0; N];
    rand::fill(&mut octets).map_err(|_| Error::Damaged("no random numbers".into()))?;
    Ok(octets)
}

fn argon2(password: &[u8], salt: &[u8], cost: (u32, u32, u32)) -> Option<[u8; 32]> {
    let params = Params::new(cost.0, cost.1, cost.2, Some(32)).ok()?;
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, &mut hash)
        .ok()?;
    Some(hash)
}

fn tag(key: &[u8], text: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    tag.as_ref().try_into().unwrap_or([0; 32])
}

impl Kept {
    pub fn new(password: &[u8], options: &Options) -> Result<Self, Error> {
        let prepared = prepare_password(password);
        let password = prepared.reveal();
        let salt = random()?;
        let cost = options.argon2_cost;
        let hash =
            argon2(password, &salt, cost).ok_or_else(|| Error::Damaged("argon2's cost".into()))?;
        let scram_salt = random()?;
        let iterations = SCRAM_ITERATIONS;
        let mut salted = [0_u8; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN),
            &scram_salt,
            password,
            &mut salted,
        );
        // RFC 5802 §3
        let client_key = tag(&salted, b"Client Key");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &client_key);
        let stored_key = digest.as_ref().try_into().unwrap_or([0; 32]);
        let server_key = tag(&salted, b"Server Key");
        Ok(Self { salt, cost, hash, scram_salt, iterations, stored_key, server_key })
    }

    pub fn verify(&self, password: &[u8]) -> bool {
        argon2(prepare_password(password).reveal(), &self.salt, self.cost)
            .is_some_and(|hash| verify_slices_are_equal(&hash, &self.hash).is_ok())
    }
}

/// Takes the time of a check.
pub(crate) fn verify_nobody(password: &[u8], cost: (u32, u32, u32)) {
    let hash = argon2(password, b"nobody's salt...", cost);
    std::hint::black_box(hash);
}

/// A new app password in letters, and what is kept of it.
pub(crate) fn app_password() -> Result<(String, [u8; 32]), Error> {
    let octets: [u8; APP_PASSWORD_OCTETS] = random()?;
    let letters: Vec<u8> = bits(&octets).collect();
    let groups = letters.chunks(8).map(|group| String::from_utf8_lossy(group).into_owned());
    let text = groups.collect::<Vec<_>>().join("-");
    let kept = app_hash(text.as_bytes());
    Ok((text, kept))
}

/// Five bits a letter.
fn bits(octets: &[u8]) -> impl Iterator<Item = u8> + '_ {
    octets.chunks(5).flat_map(|five| {
        let number = five.iter().fold(0_u64, |all, octet| all << 8 | u64::from(*octet));
        (0..8).rev().map(move |at| {
            let letter = usize::try_from(number >> (5 * at) & 31).unwrap_or(0);
            LETTERS.get(letter).copied().unwrap_or(b'a')
        })
    })
}

/// 160 random bits need no slow hash.
pub(crate) fn app_hash(password: &[u8]) -> [u8; 32] {
    *blake3::hash(password).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(password: &[u8]) -> Kept {
        let options = Options { argon2_cost: (8, 1, 1), ..Options::default() };
        Kept::new(password, &options).unwrap()
    }

    #[test]
    fn a_password_is_right_in_all_its_written_forms() {
        let kept = kept("contrase\u{f1}a\u{a0}1".as_bytes());
        assert!(kept.verify("contrase\u{f1}a 1".as_bytes()));
        assert!(kept.verify("contrasen\u{303}a 1".as_bytes()));
        assert!(!kept.verify("contrasena 1".as_bytes()));
    }

    #[test]
    fn what_is_no_text_is_a_password_too() {
        let kept = kept(b"\xff\xfe");
        assert!(kept.verify(b"\xff\xfe") && !kept.verify(b"\xff"));
    }

    #[test]
    fn scram_keys_are_of_the_salted_password() {
        let one = kept(b"pencil");
        let mut salted = [0_u8; 32];
        let iterations = NonZeroU32::new(one.iterations).unwrap();
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, &one.scram_salt, b"pencil", &mut salted);
        let client = tag(&salted, b"Client Key");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &client);
        assert_eq!(digest.as_ref(), one.stored_key);
        assert_eq!(tag(&salted, b"Server Key"), one.server_key);
    }

    #[test]
    fn app_passwords_have_160_bits_in_letters() {
        let (text, hash) = app_password().unwrap();
        assert_eq!(text.chars().filter(|c| *c != '-').count() * 5, APP_PASSWORD_OCTETS * 8);
        assert_eq!(app_hash(text.as_bytes()), hash);
        assert_ne!(app_password().unwrap().0, text);
    }
}
