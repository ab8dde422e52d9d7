//! What passes between the server and a child: frames of a length (4 octets, little-endian), a
//! code (1 octet) and a content.
//!
//! The child answers each request with one frame, and says first what confines it. The server
//! believes nothing: lengths are checked before memory is taken, text must be UTF-8.

use super::confine::Confinement;
use extract::Error;
use std::io::{self, Read, Write};

/// Octets before a frame's content.
pub const HEAD_OCTETS: usize = 5;

/// What a child said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is ready, and so confined.
    Ready(Confinement),
    /// The text of a document.
    Text(String),
    /// The document has none, for this reason.
    NoText(String),
}

/// The head of a frame.
#[must_use]
pub fn head(code: u8, content_octets: u32) -> [u8; HEAD_OCTETS] {
    let [a, b, c, d] = content_octets.to_le_bytes();
    [a, b, c, d, code]
}

/// Length of the content, and code.
#[must_use]
pub const fn parse_head(head: [u8; HEAD_OCTETS]) -> (u32, u8) {
    let [a, b, c, d, code] = head;
    (u32::from_le_bytes([a, b, c, d]), code)
}

impl Answer {
    /// The answer that a document's text is.
    #[must_use]
    pub fn of(text: Result<String, Error>) -> Self {
        match text {
            Ok(text) => Self::Text(text),
            Err(error) => Self::NoText(error.to_string()),
        }
    }

    /// Writes it as a frame.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let flags;
        let (code, content) = match self {
            Self::Ready(Confinement { landlock, seccomp }) => {
                flags = [u8::from(*landlock), u8::from(*seccomp)];
                (0, &flags[..])
            }
            Self::Text(text) => (1, text.as_bytes()),
            Self::NoText(why) => (2, why.as_bytes()),
        };
        let octets = u32::try_from(content.len()).map_err(io::Error::other)?;
        to.write_all(&head(code, octets))?;
        to.write_all(content)?;
        to.flush()
    }

    /// Reads it; `None` when it is nonsense.
    #[must_use]
    pub fn parse(code: u8, content: Vec<u8>) -> Option<Self> {
        match (code, content.as_slice()) {
            (0, [landlock @ 0..=1, seccomp @ 0..=1]) => {
                Some(Self::Ready(Confinement { landlock: *landlock == 1, seccomp: *seccomp == 1 }))
            }
            (1, _) => String::from_utf8(content).ok().map(Self::Text),
            (2, _) => String::from_utf8(content).ok().map(Self::NoText),
            _ => None,
        }
    }
}

/// Reads a request: the code of the kind, and the document; `None` at the end of input.
pub fn read_request(from: &mut impl Read, octets_max: usize) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; HEAD_OCTETS];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (octets, code) = parse_head(head);
    if octets as usize > octets_max {
        return Err(io::Error::other("a document that is too long"));
    }
    let mut document = vec![0; octets as usize];
    from.read_exact(&mut document)?;
    Ok(Some((code, document)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(answer: &Answer) -> Option<Answer> {
        let mut frame = Vec::new();
        answer.write(&mut frame).unwrap();
        let (head, content) = frame.split_at(HEAD_OCTETS);
        let (octets, code) = parse_head(head.try_into().unwrap());
        assert_eq!(octets as usize, content.len());
        Answer::parse(code, content.to_vec())
    }

    #[test]
    fn answers_are_read_back() {
        for answer in [
            Answer::Ready(Confinement { landlock: true, seccomp: false }),
            Answer::Text("año".to_owned()),
            Answer::NoText(String::new()),
        ] {
            assert_eq!(back(&answer), Some(answer));
        }
    }

    #[test]
    fn nonsense_is_no_answer() {
        assert_eq!(Answer::parse(0, vec![1]), None);
        assert_eq!(Answer::parse(0, vec![2, 0]), None);
        assert_eq!(Answer::parse(1, vec![0xff]), None);
        assert_eq!(Answer::parse(3, vec![]), None);
    }

    #[test]
    fn requests_have_a_limit() {
        let mut frame = head(2, 3).to_vec();
        frame.extend(b"abc");
        let twice = [frame.clone(), frame.clone()].concat();
        let mut from = &mut twice.as_slice();
        for _ in 0..2 {
            let request = read_request(&mut from, 3).unwrap();
            assert_eq!(request, Some((2, b"abc".to_vec())));
        }
        assert_eq!(read_request(&mut from, 3).unwrap(), None);
        assert!(read_request(&mut frame.as_slice(), 2).is_err());
        assert!(read_request(&mut &frame[..6], 3).is_err());
    }
}
