//! Content on its way out: line ends made whole, dots doubled, in pieces of any size.
//!
//! Invariants: the same content gives the same octets however it is cut; where lines are sent, no
//! CR or LF stands alone, so that no server can see another end of the message than ours (SMTP
//! smuggling); nothing is held but the state of one line end.

use bytes::BytesMut;

/// How content is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Lines behind DATA: CRLF, dots doubled (RFC 5321 §4.5.2).
    Dots,
    /// Lines in chunks of BDAT: CRLF, dots as they are.
    Lines,
    /// Octets in chunks of BDAT as they are (BINARYMIME).
    Octets,
}

/// Writes content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoder {
    form: Form,
    /// A CR was read and is not written yet: it is half of a CRLF, or a line end of its own.
    cr: bool,
    line_start: bool,
}

impl Encoder {
    /// At the start of a message.
    #[must_use]
    pub const fn new(form: Form) -> Self {
        Self { form, cr: false, line_start: true }
    }

    /// Writes a piece. A bare CR or LF becomes CRLF.
    pub fn write(&mut self, content: &[u8], out: &mut BytesMut) {
        if self.form == Form::Octets {
            out.extend_from_slice(content);
            return;
        }
        let mut rest = content;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.cr) {
                self.end_line(out);
                if *first == b'\n' {
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
            }
            let end = memchr::memchr2(b'\r', b'\n', rest);
            let (line, end) = rest.split_at(end.unwrap_or(rest.len()));
            self.put(line, out);
            match end.first() {
                Some(b'\r') => self.cr = true,
                Some(_) => self.end_line(out),
                None => {}
            }
            rest = end.get(1..).unwrap_or_default();
        }
    }

    /// Ends the content: the last line is a whole one (RFC 5321 §4.1.1.4: the end of data begins
    /// with the CRLF of the last line), and behind DATA the dot follows.
    pub fn finish(mut self, out: &mut BytesMut) {
        if self.form == Form::Octets {
            return;
        }
        if self.cr || !self.line_start {
            self.end_line(out);
        }
        if self.form == Form::Dots {
            out.extend_from_slice(b".\r\n");
        }
    }

    fn put(&mut self, line: &[u8], out: &mut BytesMut) {
        if line.is_empty() {
            return;
        }
        if self.line_start && self.form == Form::Dots && line.starts_with(b".") {
            out.extend_from_slice(b".");
        }
        out.extend_from_slice(line);
        self.line_start = false;
    }

    fn end_line(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(b"\r\n");
        self.line_start = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use proptest::prelude::*;

    fn encode(form: Form, content: &[u8], piece: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(form);
        let mut out = BytesMut::new();
        for piece in content.chunks(piece) {
            encoder.write(piece, &mut out);
        }
        encoder.finish(&mut out);
        out.to_vec()
    }

    #[test]
    fn dots_and_line_ends() {
        let dots = |content: &[u8]| encode(Form::Dots, content, usize::MAX);
        assert_eq!(dots(b""), b".\r\n");
        assert_eq!(dots(b"a"), b"a\r\n.\r\n");
        assert_eq!(dots(b"a\r\n"), b"a\r\n.\r\n");
        assert_eq!(dots(b".\r\n..x\r\n"), b"..\r\n...x\r\n.\r\n");
        assert_eq!(dots(b"a\n.\nb\r.\rc"), b"a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n");
        assert_eq!(dots(b"a\r\r\n\n"), b"a\r\n\r\n\r\n.\r\n");
        assert_eq!(dots(b"a\r"), b"a\r\n.\r\n");
        assert_eq!(encode(Form::Lines, b".\na", 1), b".\r\na\r\n");
        assert_eq!(encode(Form::Octets, b".\na\r", 1), b".\na\r");
    }

    /// Whatever end of data a sender smuggles in, the server sees one end: ours.
    #[test]
    fn smuggled_ends_of_data() {
        for end in [
            "\n.\n",
            "\r.\r",
            "\r\n.\n",
            "\n.\r\n",
            "\r\n.\r",
            "\r.\r\n",
            "\r\n.\r\n",
            "\r\r\n.\r\n",
        ] {
            let content = format!("a{end}MAIL FROM:<x@y>\r\n");
            let sent = encode(Form::Dots, content.as_bytes(), usize::MAX);
            let text = String::from_utf8(sent).unwrap();
            let ends = text.match_indices("\r\n.\r\n").map(|(at, _)| at).collect::<Vec<_>>();
            assert_eq!(ends, [text.len() - 5], "{end:?}");
            let without = text.replace("\r\n", "");
            assert!(!without.contains(['\r', '\n']), "{end:?}");
        }
    }

    fn octet() -> impl Strategy<Value = u8> {
        prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), any::<u8>()]
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            content in proptest::collection::vec(octet(), 0..200),
            piece in 1_usize..9,
        ) {
            for form in [Form::Dots, Form::Lines, Form::Octets] {
                let at_once = encode(form, &content, usize::MAX);
                prop_assert_eq!(encode(form, &content, piece), at_once);
            }
        }

        /// What is sent is what our own server reads: its decoder undoes the dots.
        #[test]
        fn the_server_reads_what_was_sent(content in proptest::collection::vec(octet(), 0..200)) {
            let sent = encode(Form::Dots, &content, usize::MAX);
            let lines = encode(Form::Lines, &content, usize::MAX);
            let mut decoder = Content::data(1 << 20, 1 << 20);
            let mut read = BytesMut::new();
            prop_assert_eq!(decoder.feed(&sent, &mut read), (sent.len(), true));
            prop_assert!(decoder.fault().is_none());
            prop_assert_eq!(read.as_ref(), lines.as_slice());
        }
    }
}
