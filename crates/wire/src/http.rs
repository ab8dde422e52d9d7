//! HTTP/1.1 (RFC 9112) as far as a few small documents need it: one request a connection, GET and
//! HEAD, no bodies.
//!
//! Invariants: a request is at most [`REQUEST_OCTETS_MAX`]; what follows it is never read; every
//! answer ends the connection, so nobody can be made to see two requests in one.

use crate::{Event, Machine, Outbox, Patience, Step};
use bytes::BytesMut;

/// Octets of a request line and its fields.
pub const REQUEST_OCTETS_MAX: usize = 8 << 10;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// HEAD: only what an answer would be like.
    pub head: bool,
    /// The host that is meant, in lower case and without its port; empty in HTTP/1.0 without one.
    pub host: String,
    /// The path without its query, as it came.
    pub path: String,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// Code and reason.
    pub status: &'static str,
    /// Media type.
    pub kind: &'static str,
    /// The document.
    pub body: String,
}

impl Response {
    /// A document.
    #[must_use]
    pub const fn found(kind: &'static str, body: String) -> Self {
        Self { status: "200 OK", kind, body }
    }

    /// There is none.
    pub const NOT_FOUND: Self = Self::failed("404 Not Found");
    /// It cannot be had now.
    pub const UNAVAILABLE: Self = Self::failed("503 Service Unavailable");
    const BAD: Self = Self::failed("400 Bad Request");
    const METHOD: Self = Self::failed("405 Method Not Allowed");
    const TIMEOUT: Self = Self::failed("408 Request Timeout");
    const TOO_LARGE: Self = Self::failed("431 Request Header Fields Too Large");

    const fn failed(status: &'static str) -> Self {
        Self { status, kind: "text/plain", body: String::new() }
    }

    fn write(&self, head: bool, out: &mut Outbox) {
        let Self { status, kind, body } = self;
        let allow = if *self == Self::METHOD { "Allow: GET, HEAD\r\n" } else { "" };
        let fields = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            body.len()
        );
        out.put(fields.as_bytes());
        if !head {
            out.put(body.as_bytes());
        }
    }
}

#[derive(Debug)]
enum Phase {
    Reading,
    /// The effect is to be asked next.
    Ask(Request),
    Asked {
        head: bool,
    },
    Closed,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    input: BytesMut,
    out: Outbox,
}

impl Default for Session {
    fn default() -> Self {
        Self { phase: Phase::Reading, input: BytesMut::new(), out: Outbox::default() }
    }
}

impl Session {
    /// The answer to the request that was asked for.
    pub fn answer(&mut self, response: &Response) {
        if let Phase::Asked { head } = self.phase {
            self.close_with(response, head);
        }
    }

    fn close_with(&mut self, response: &Response, head: bool) {
        response.write(head, &mut self.out);
        self.phase = Phase::Closed;
    }

    /// Looks for the end of the fields from here on.
    fn read(&mut self, from: usize) {
        let new = self.input.get(from..).unwrap_or_default();
        let end = new.windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at);
        match end {
            Some(end) if end + 4 <= REQUEST_OCTETS_MAX => {
                let head = self.input.split_to(end + 2);
                match parse(&head) {
                    Ok(request) => self.phase = Phase::Ask(request),
                    Err(response) => self.close_with(&response, false),
                }
            }
            None if self.input.len() < REQUEST_OCTETS_MAX => {}
            _ => self.close_with(&Response::TOO_LARGE, false),
        }
    }
}

impl Machine for Session {
    type Effect = Request;

    fn step(&mut self) -> Step<Request> {
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Ask(request) => {
                self.phase = Phase::Asked { head: request.head };
                Step::Ask(request)
            }
            Phase::Closed => Step::Close,
            // An effect that was performed without an answer: there is none.
            Phase::Asked { head } => {
                self.close_with(&Response::UNAVAILABLE, head);
                Step::Close
            }
            Phase::Reading => {
                self.phase = Phase::Reading;
                Step::Wait(Patience::Greeting)
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if matches!(self.phase, Phase::Reading) {
            let from = self.input.len().saturating_sub(3);
            self.input.extend_from_slice(bytes);
            self.read(from);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::TimedOut if matches!(self.phase, Phase::Reading) && !self.input.is_empty() => {
                self.close_with(&Response::TIMEOUT, false);
            }
            Event::Eof | Event::TimedOut | Event::ShuttingDown | Event::Withdrawn => {
                if matches!(self.phase, Phase::Reading) {
                    self.phase = Phase::Closed;
                }
            }
            Event::Secured { .. } | Event::News => {}
        }
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }
}

/// ```abnf
/// request-line = method SP request-target SP HTTP-version
/// field-line   = field-name ":" OWS field-value OWS
/// ```
fn parse(head: &[u8]) -> Result<Request, Response> {
    let text = std::str::from_utf8(head).map_err(|_| Response::BAD)?;
    let mut lines = text.split_terminator("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Response::BAD);
    };
    let known = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return Err(Response::BAD),
    };
    let mut host = None;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Response::BAD)?;
        // RFC 9112 §5.1: white space before the colon is refused, as is a folded line.
        if name.is_empty() || name.contains([' ', '\t']) || line.contains(char::is_control) {
            return Err(Response::BAD);
        }
        // §3.2: "more than one Host header field line" is refused.
        if name.eq_ignore_ascii_case("Host") && host.replace(value.trim()).is_some() {
            return Err(Response::BAD);
        }
    }
    if known && host.is_none() {
        return Err(Response::BAD);
    }
    let (host, path) = match target.split_once("://") {
        // §3.2.2: the target's host counts.
        Some(("http" | "https", rest)) => {
            let slash = rest.find('/').unwrap_or(rest.len());
            rest.split_at_checked(slash).unwrap_or((rest, ""))
        }
        _ => (host.unwrap_or_default(), target),
    };
    let head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Response::METHOD),
    };
    let path = path.split('?').next().unwrap_or_default().to_owned();
    Ok(Request { head, host: without_port(host), path })
}

fn without_port(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is asked for, or what is answered at once.
    fn asked(request: &[u8], cut: usize) -> Result<Request, String> {
        let mut session = Session::default();
        for piece in request.chunks(cut.max(1)) {
            match session.step() {
                Step::Wait(Patience::Greeting) => session.receive(piece),
                _ => break,
            }
        }
        match session.step() {
            Step::Ask(request) => Ok(request),
            _ => Err(String::from_utf8_lossy(&session.outbox().take()).into_owned()),
        }
    }

    fn status(request: &str) -> String {
        let said = asked(request.as_bytes(), 7).unwrap_err();
        said.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_request_and_its_answer() {
        let request = "GET /a/b?c HTTP/1.1\r\nHost: MTA-STS.example.test.:443\r\nX: y\r\n\r\n";
        let wanted =
            Request { head: false, host: "mta-sts.example.test".into(), path: "/a/b".into() };
        for cut in [1, 2, 3, 7, 1_000] {
            assert_eq!(asked(request.as_bytes(), cut), Ok(wanted.clone()));
        }
        let other = "HEAD https://a.test/x HTTP/1.1\r\nHost: b.test\r\n\r\n";
        let told = asked(other.as_bytes(), 9).unwrap();
        assert_eq!((told.head, &*told.host, &*told.path), (true, "a.test", "/x"));
        assert_eq!(asked(b"GET / HTTP/1.0\r\n\r\n", 9).unwrap().host, "");
        for (method, body) in [("GET", true), ("HEAD", false)] {
            let mut session = Session::default();
            session.receive(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\nmore").as_bytes());
            assert!(matches!(session.step(), Step::Ask(_)));
            session.answer(&Response::found("text/plain", "Hello".into()));
            assert!(matches!(session.step(), Step::Close));
            let said = String::from_utf8(session.outbox().take().to_vec()).unwrap();
            assert!(said.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"), "{said}");
            assert!(said.contains("\r\nContent-Length: 5\r\n"));
            assert_eq!(said.ends_with("\r\n\r\nHello"), body, "{said}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for request in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / a HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(status(request), "HTTP/1.1 400 Bad Request", "{request:?}");
        }
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(status(post), "HTTP/1.1 405 Method Not Allowed");
    }

    #[test]
    fn requests_at_the_limit_and_beyond() {
        let padded = |octets: usize| {
            let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
            format!("{start}{}\r\n\r\n", "x".repeat(octets - start.len() - 4))
        };
        for cut in [1, 1_000, 100_000] {
            assert!(asked(padded(REQUEST_OCTETS_MAX).as_bytes(), cut).is_ok());
            let said = asked(padded(REQUEST_OCTETS_MAX + 1).as_bytes(), cut).unwrap_err();
            assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
        }
    }

    #[test]
    fn events_end_it() {
        for (input, event, said) in [
            ("", Event::TimedOut, ""),
            ("GET", Event::TimedOut, "HTTP/1.1 408 Request Timeout"),
            ("GET", Event::Eof, ""),
            ("GET", Event::ShuttingDown, ""),
        ] {
            let mut session = Session::default();
            session.receive(input.as_bytes());
            session.event(event);
            assert!(matches!(session.step(), Step::Close));
            let out = String::from_utf8(session.outbox().take().to_vec()).unwrap();
            assert_eq!(out.lines().next().unwrap_or_default(), said);
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(request in "[ -~\r\n\t]{0,200}", cut in 1..50_usize) {
            let _ = asked(format!("{request}\r\n\r\n").as_bytes(), cut);
        }
    }
}
