//! The reader of address lists (RFC 5322 §3.4, §4.4): groups, routes, comments as names, and
//! what real mail writes instead.
//!
//! One pass, no recursion: the cost is linear in the value, whatever its nesting.

use super::Mailbox;
use crate::lexical::{after_comment, comment};
use crate::mime::Limits;

/// Parses the value of an address-list field; at most the default [`Limits::addresses_max`]
/// elements.
#[must_use]
pub fn address_list(value: &[u8]) -> Vec<Mailbox> {
    read(value, Limits::default().addresses_max)
}

/// At most `elements_max` of the list; the end of a group counts as one.
pub fn read(value: &[u8], elements_max: usize) -> Vec<Mailbox> {
    let mut reader = Reader { rest: value, found: Vec::new(), in_group: false };
    while reader.found.len() < elements_max && reader.element() {}
    if reader.in_group {
        // The list ended within a group: close it, at the cost of its last member when full.
        reader.found.truncate(elements_max.saturating_sub(1));
        reader.close_group();
    }
    reader.found.truncate(elements_max);
    reader.found
}

struct Reader<'a> {
    rest: &'a [u8],
    found: Vec<Mailbox>,
    in_group: bool,
}

/// A word of a phrase or of a bare address.
struct Word {
    text: Vec<u8>,
    /// No white space before it.
    glued: bool,
    /// An unquoted `@`.
    at: bool,
}

/// What ended the words.
#[derive(PartialEq)]
enum Stop {
    Angle,
    Group,
    Separator(u8),
    End,
}

impl Reader<'_> {
    /// Reads one element; `false` at the end of the value.
    fn element(&mut self) -> bool {
        let (mut words, mut comments) = (Vec::new(), Vec::new());
        let mut stop = self.words(&mut words, &mut comments);
        match stop {
            Stop::Angle => {
                let mut mailbox = self.angle(&mut comments);
                // What stands between `>` and the separator is no address: a comment, or noise.
                let mut noise = Vec::new();
                loop {
                    stop = self.words(&mut noise, &mut comments);
                    match stop {
                        Stop::Separator(_) | Stop::End => break,
                        Stop::Angle => drop(self.angle(&mut comments)),
                        Stop::Group => {}
                    }
                }
                mailbox.name = phrase(&words).or_else(|| comments.into_iter().next());
                self.found.push(mailbox);
            }
            Stop::Group => {
                if self.in_group {
                    self.close_group();
                }
                let mailbox = Some(phrase(&words).unwrap_or_default());
                self.found.push(Mailbox { mailbox, ..Mailbox::default() });
                self.in_group = true;
                return true;
            }
            Stop::Separator(_) | Stop::End => {
                if !words.is_empty() {
                    self.found.push(bare(words, comments));
                }
            }
        }
        if stop == Stop::Separator(b';') && self.in_group {
            self.close_group();
        }
        stop != Stop::End
    }

    fn close_group(&mut self) {
        self.found.push(Mailbox::default());
        self.in_group = false;
    }

    /// Collects words and comments up to a special that ends them, and takes that too.
    fn words(&mut self, words: &mut Vec<Word>, comments: &mut Vec<Vec<u8>>) -> Stop {
        let mut glued = true;
        loop {
            let Some((first, rest)) = self.rest.split_first() else { return Stop::End };
            match first {
                b' ' | b'\t' | b'\r' | b'\n' => {
                    self.rest = rest;
                    glued = false;
                    continue;
                }
                b'(' => {
                    self.comment(comments);
                    glued = false;
                    continue;
                }
                _ => {}
            }
            match first {
                b',' | b';' => {
                    self.rest = rest;
                    return Stop::Separator(*first);
                }
                b'<' => {
                    self.rest = rest;
                    return Stop::Angle;
                }
                b':' => {
                    self.rest = rest;
                    return Stop::Group;
                }
                b'@' => {
                    self.rest = rest;
                    words.push(Word { text: b"@".to_vec(), glued, at: true });
                }
                b'"' => {
                    let text = self.quoted();
                    words.push(Word { text, glued, at: false });
                }
                _ => {
                    let literal = *first == b'[' && words.last().is_some_and(|word| word.at);
                    let text = if literal { self.literal() } else { self.atom() };
                    words.push(Word { text, glued, at: false });
                }
            }
            glued = true;
        }
    }

    /// Keeps the first comment only: the name of `ana@example.test (Ana)`.
    fn comment(&mut self, comments: &mut Vec<Vec<u8>>) {
        if comments.is_empty() {
            let (text, rest) = comment(self.rest);
            self.rest = rest;
            if !text.is_empty() {
                comments.push(text);
            }
        } else {
            self.rest = after_comment(self.rest);
        }
    }

    /// Anything up to white space or a special; dots belong to it (obs-phrase, dot-atom).
    fn atom(&mut self) -> Vec<u8> {
        let special = |b: &u8| b.is_ascii_whitespace() || b"(\"<,;:@".contains(b);
        self.take_until(special)
    }

    /// `domain-literal`; an unclosed one ends at white space or a comma.
    fn literal(&mut self) -> Vec<u8> {
        let ends = |b: &u8| b.is_ascii_whitespace() || b"],;>".contains(b);
        let mut text = self.take_until(ends);
        if self.rest.first() == Some(&b']') {
            text.push(b']');
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        text
    }

    fn take_until(&mut self, ends: impl Fn(&u8) -> bool) -> Vec<u8> {
        let end = self.rest.iter().position(ends).unwrap_or(self.rest.len()).max(1);
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken.to_vec()
    }

    /// The text of the quoted string that begins here, quoting and line ends removed.
    fn quoted(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut bytes = self.rest.iter();
        bytes.next();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\r' | b'\n' => {}
                b'\\' => text.extend(bytes.next()),
                byte => text.push(*byte),
            }
        }
        self.rest = bytes.as_slice();
        text
    }

    /// What follows `<`, up to and with `>`; without one, up to a comma.
    fn angle(&mut self, comments: &mut Vec<Vec<u8>>) -> Mailbox {
        let route = self.route(comments);
        let mut text = Vec::new();
        // Where the last unquoted `@` stands in `text`.
        let mut at = None;
        while let Some((first, rest)) = self.rest.split_first() {
            match first {
                b'>' => {
                    self.rest = rest;
                    break;
                }
                // Left for the caller, who ends the element there.
                b',' | b';' | b'<' => break,
                b'(' => self.comment(comments),
                b'"' => text.append(&mut self.quoted()),
                b'[' if at == Some(text.len().wrapping_sub(1)) => text.append(&mut self.literal()),
                b'@' => {
                    at = Some(text.len());
                    text.push(b'@');
                    self.rest = rest;
                }
                byte if byte.is_ascii_whitespace() => self.rest = rest,
                byte => {
                    text.push(*byte);
                    self.rest = rest;
                }
            }
        }
        let host = match at {
            Some(at) => text.split_off(at).split_off(1),
            None => Vec::new(),
        };
        Mailbox { name: None, route, mailbox: Some(text), host: Some(host) }
    }

    /// `obs-route = obs-domain-list ":"`: what begins with `@` and has a colon before the `>`.
    fn route(&mut self, comments: &mut Vec<Vec<u8>>) -> Option<Vec<u8>> {
        while let Some((first, rest)) = self.rest.split_first() {
            match first {
                b'(' => self.comment(comments),
                byte if byte.is_ascii_whitespace() => self.rest = rest,
                _ => break,
            }
        }
        if self.rest.first() != Some(&b'@') {
            return None;
        }
        let end = self.rest.iter().position(|b| b":><\"(;".contains(b))?;
        if self.rest.get(end) != Some(&b':') {
            return None;
        }
        let (route, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        Some(route.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect())
    }
}

/// Words as one text: what stood apart is parted by one space.
fn phrase(words: &[Word]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 && !word.glued {
            text.push(b' ');
        }
        text.extend_from_slice(&word.text);
    }
    (!words.is_empty()).then_some(text)
}

/// An element without angle brackets: `ana@example.test`, `ana . ruiz @ example . test`,
/// `Ana ana@example.test`, or just a word.
fn bare(mut words: Vec<Word>, comments: Vec<Vec<u8>>) -> Mailbox {
    let concat = |words: &[Word]| words.iter().flat_map(|w| w.text.iter().copied()).collect();
    let Some(at) = words.iter().rposition(|word| word.at) else {
        let named = words.len() > 1;
        let text = phrase(&words).unwrap_or_default();
        // Several words without any `@` are a name; one is a local part.
        let (name, mailbox) =
            if named { (Some(text), Vec::new()) } else { (comments.into_iter().next(), text) };
        return Mailbox { name, route: None, mailbox: Some(mailbox), host: Some(Vec::new()) };
    };
    let host: Vec<u8> = concat(words.get(at + 1..).unwrap_or_default());
    words.truncate(at);
    // The local part goes back over words that touch, or that dots tie together.
    let mut start = words.len().saturating_sub(1);
    while let (Some(word), Some(before)) =
        (words.get(start), start.checked_sub(1).and_then(|at| words.get(at)))
    {
        let dotted = word.text.starts_with(b".") || before.text.ends_with(b".");
        if !word.glued && !dotted {
            break;
        }
        start -= 1;
    }
    let mailbox = concat(words.get(start..).unwrap_or_default());
    let name =
        phrase(words.get(..start).unwrap_or_default()).or_else(|| comments.into_iter().next());
    Mailbox { name, route: None, mailbox: Some(mailbox), host: Some(host) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `name|route|mailbox|host` for each; `-` is `None`.
    fn check(value: &str, expected: &[&str]) {
        let show = |field: &Option<Vec<u8>>| {
            field.as_ref().map_or("-".into(), |b| String::from_utf8_lossy(b).into_owned())
        };
        let found: Vec<String> = address_list(value.as_bytes())
            .iter()
            .map(|m| [&m.name, &m.route, &m.mailbox, &m.host].map(show).join("|"))
            .collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn rfc5322_examples() {
        check("John Doe <jdoe@machine.example>", &["John Doe|-|jdoe|machine.example"]);
        check(
            "\"Joe Q. Public\" <john.q.public@example.com>",
            &["Joe Q. Public|-|john.q.public|example.com"],
        );
        check(
            "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
            &["Mary Smith|-|mary|x.test", "-|-|jdoe|example.org", "Who?|-|one|y.test"],
        );
        check(
            "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
            &["-|-|boss|nil.test", "Giant; \"Big\" Box|-|sysservices|example.net"],
        );
        check(
            "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            &[
                "-|-|A Group|-",
                "Ed Jones|-|c|a.test",
                "-|-|joe|where.test",
                "John|-|jdoe|one.test",
                "-|-|-|-",
            ],
        );
        check("Undisclosed recipients:;", &["-|-|Undisclosed recipients|-", "-|-|-|-"]);
        check(
            "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
            &["Pete|-|pete|silly.test"],
        );
        check(
            "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n \
             joe@example.org,\r\n John <jdoe@one.test> (my dear friend); (the end of the group)",
            &[
                "-|-|A Group|-",
                "Chris Jones|-|c|public.example",
                "-|-|joe|example.org",
                "John|-|jdoe|one.test",
                "-|-|-|-",
            ],
        );
        check(
            "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
            &["-|-|Hidden recipients|-", "-|-|-|-"],
        );
        check(
            "Joe Q. Public <john.q.public@example.com>",
            &["Joe Q. Public|-|john.q.public|example.com"],
        );
        check(
            "Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example",
            &["Mary Smith|@node.test|mary|example.net", "-|-|jdoe|test.example"],
        );
        check("John Doe <jdoe@machine(comment).  example>", &["John Doe|-|jdoe|machine.example"]);
    }

    #[test]
    fn comments_give_names() {
        check("ana@example.test (Ana Ruiz)", &["Ana Ruiz|-|ana|example.test"]);
        check("<ana@example.test> (Ana (R.) Ruiz)", &["Ana (R.) Ruiz|-|ana|example.test"]);
        check("Ana <ana@example.test> (other)", &["Ana|-|ana|example.test"]);
    }

    #[test]
    fn quoting_and_literals() {
        check("\"ana ruiz\"@example.test", &["-|-|ana ruiz|example.test"]);
        check("<\"a@b\"@example.test>", &["-|-|a@b|example.test"]);
        check("x@[IPv6:::1], y@[10.0.0.1]", &["-|-|x|[IPv6:::1]", "-|-|y|[10.0.0.1]"]);
        check("<x@[IPv6:2001:db8::1]>", &["-|-|x|[IPv6:2001:db8::1]"]);
        check("\"a\r\n b\" <x@y>", &["a b|-|x|y"]);
        check("\"Ana\"R <x@y>", &["AnaR|-|x|y"]);
        check(
            "=?utf-8?q?An=C3=A1?= =?utf-8?q?x?= <x@y>",
            &["=?utf-8?q?An=C3=A1?= =?utf-8?q?x?=|-|x|y"],
        );
        check("<@a,@b.test:c@d>", &["-|@a,@b.test|c|d"]);
    }

    #[test]
    fn malformed_lists() {
        check("", &[]);
        check(" , ,; ", &[]);
        check("ana", &["-|-|ana|"]);
        check("Ana Ruiz", &["Ana Ruiz|-||"]);
        check("<>", &["-|-||"]);
        check("Ana <>", &["Ana|-||"]);
        check("<ana>", &["-|-|ana|"]);
        check("Ana ana@example.test", &["Ana|-|ana|example.test"]);
        check("ana . ruiz @ example . test", &["-|-|ana.ruiz|example.test"]);
        check("joe@home <joe@example.org>", &["joe@home|-|joe|example.org"]);
        check("a@b; c@d", &["-|-|a|b", "-|-|c|d"]);
        check("Ana <ana@x, Bo <bo@y>", &["Ana|-|ana|x", "Bo|-|bo|y"]);
        check("Ana <ana@x", &["Ana|-|ana|x"]);
        check("a@b@c", &["-|-|a@b|c"]);
        check("<a@b@c>", &["-|-|a@b|c"]);
        check("\"unclosed <a@b>", &["-|-|unclosed <a@b>|"]);
        check("(unclosed a@b", &[]);
        check("[SPAM] Joe <a@b> trailing words, c@d", &["[SPAM] Joe|-|a|b", "-|-|c|d"]);
        check("<a@b> <c@d>", &["-|-|a|b"]);
        check(
            "G: a@b, H: c@d;",
            &["-|-|G|-", "-|-|a|b", "-|-|-|-", "-|-|H|-", "-|-|c|d", "-|-|-|-"],
        );
        check("G: a@b", &["-|-|G|-", "-|-|a|b", "-|-|-|-"]);
        check("@", &["-|-||"]);
        check("<@x>", &["-|-||x"]);
        check(":", &["-|-||-", "-|-|-|-"]);
        check("Añá <x@y>", &["Añá|-|x|y"]);
    }

    #[test]
    fn elements_max_at_n_and_one_more() {
        assert_eq!(read(b"a@b,c@d", 2).len(), 2);
        assert_eq!(read(b"a@b,c@d,e@f", 2).len(), 2);
        assert_eq!(read(b"a@b", 0).len(), 0);
        let cut = read(b"G:a@b,c@d,e@f;", 3);
        assert_eq!((cut.len(), cut.last()), (3, Some(&Mailbox::default())));
    }

    proptest! {
        #[test]
        fn never_panics_and_groups_balance(value in "[a-c@<>(),;:\"\\\\.\\[\\] \r\n]{0,80}") {
            let list = address_list(value.as_bytes());
            let opened = list.iter().filter(|m| m.mailbox.is_some() && m.host.is_none()).count();
            let closed = list.iter().filter(|m| m.mailbox.is_none()).count();
            prop_assert_eq!(opened, closed);
            prop_assert!(list.iter().all(|m| m.mailbox.is_some() || m.host.is_none()));
        }
    }
}
