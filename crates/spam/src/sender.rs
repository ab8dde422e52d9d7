//! Who is named in a header and how: the forms in which programs write mailboxes and identifiers,
//! and whether a name, an address and a program fit each other.

use crate::header::shape;
use crate::tokens::{Gatherer, Kind};
use crate::writing::unsayable;

/// How a mailbox is written: quotes, brackets and comments, whatever is in them.
pub(crate) fn form(value: &str) -> &'static str {
    let value = value.trim();
    match value.find('<') {
        Some(0) => "<address>",
        Some(at) => {
            let name = value.get(..at).unwrap_or_default().trim_end();
            match (name.starts_with('"'), name.starts_with('\''), name.len() + 1 == at) {
                (true, _, true) => "\"name\" <address>",
                (true, _, false) => "\"name\"<address>",
                (_, true, _) => "'name' <address>",
                (_, _, true) => "name <address>",
                _ => "name<address>",
            }
        }
        None if value.contains('(') => "address (name)",
        None if value.contains('@') => "address",
        None => "no address",
    }
}

/// Tokens of the author's name beside his address.
pub(crate) fn author(shown: &str, address: &str, gatherer: &mut Gatherer<'_>) {
    let Some((local, domain)) = address.rsplit_once('@') else {
        gatherer.add(Kind::Header, "from without an address");
        return;
    };
    if local.split(|c: char| !c.is_ascii_alphabetic()).any(unsayable) {
        gatherer.add(Kind::Header, "from's address nobody can say");
    }
    if shown.is_empty() {
        return;
    }
    if shown.split(|c: char| !c.is_ascii_alphabetic()).any(unsayable) {
        gatherer.add(Kind::Header, "from's name nobody can say");
    }
    let address = [local, domain].map(str::to_lowercase);
    let words = shown.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    let mut fits = [false, false];
    let mut initials = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        initials.extend(word.chars().next());
        if word.chars().count() >= 3 {
            for (fit, part) in fits.iter_mut().zip(&address) {
                *fit |= part.contains(&word);
            }
        }
    }
    let [mut fits_local, fits_domain] = fits;
    fits_local |= initials.len() >= 2 && address.first().is_some_and(|l| l.starts_with(&initials));
    let fits = match (fits_local, fits_domain) {
        (true, true) => "from's name and all of his address",
        (true, false) => "from's name in his address",
        (false, true) => "from's name in his domain",
        (false, false) => "from's name not in his address",
    };
    gatherer.add(Kind::Header, fits);
    let letters = shown.chars().filter(|c| c.is_alphabetic()).count();
    if letters >= 4 && !shown.chars().any(char::is_lowercase) {
        gatherer.add(Kind::Header, "from's name in capitals");
    } else if letters >= 4 && !shown.chars().any(char::is_uppercase) {
        gatherer.add(Kind::Header, "from's name in small letters");
    }
}

/// The name of a mail program without its version, as its Message-IDs, boundaries and fields are
/// of its own form: junk often names a program that did not write it.
pub(crate) fn program(mailer: &str) -> &str {
    let end = mailer.find(|c: char| c.is_ascii_digit() || matches!(c, '/' | '(' | '[' | '<' | ','));
    let name = mailer.get(..end.unwrap_or(mailer.len())).unwrap_or_default().trim();
    name.get(..name.floor_char_boundary(32)).unwrap_or(name)
}

/// Tokens of a program with what it wrote.
pub(crate) fn writes(program: &str, message_id: &[u8], gatherer: &mut Gatherer<'_>) {
    let program = if program.is_empty() { "no program" } else { program };
    gatherer.add(Kind::Mailer, &format!("{program} writes {}", shape(message_id)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (value, expected) in [
            (" \"A B\" <a@b>", "\"name\" <address>"),
            ("\"A B\"<a@b>", "\"name\"<address>"),
            ("A B <a@b>", "name <address>"),
            ("A<a@b>", "name<address>"),
            ("'A B' <a@b>", "'name' <address>"),
            ("<a@b>", "<address>"),
            ("a@b", "address"),
            ("a@b (A B)", "address (name)"),
            ("undisclosed-recipients:;", "no address"),
            ("", "no address"),
        ] {
            assert_eq!(form(value), expected, "{value}");
        }
    }

    #[test]
    fn programs() {
        assert_eq!(program("Microsoft Outlook Express 6.00.2600"), "Microsoft Outlook Express");
        assert_eq!(program("Mutt/1.4i"), "Mutt");
        assert_eq!(program("QUALCOMM Windows Eudora Version 5"), "QUALCOMM Windows Eudora Version");
        assert_eq!(program(""), "");
    }
}
