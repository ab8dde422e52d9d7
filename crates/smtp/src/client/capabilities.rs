//! What a server says of itself in its answer to EHLO (RFC 5321 §4.1.1.1).

/// Extensions of a server. After HELO there are none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Capabilities {
    /// PIPELINING (RFC 2920)
    pub pipelining: bool,
    /// CHUNKING (RFC 3030)
    pub chunking: bool,
    /// BINARYMIME (RFC 3030)
    pub binary_mime: bool,
    /// 8BITMIME (RFC 6152)
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531)
    pub utf8: bool,
    /// SIZE (RFC 1870)
    pub size: bool,
    /// Octets of the largest message, if it says.
    pub message_octets_max: Option<u64>,
    /// DSN (RFC 3461)
    pub dsn: bool,
    /// STARTTLS (RFC 3207)
    pub starttls: bool,
    /// REQUIRETLS (RFC 8689)
    pub require_tls: bool,
    /// Mechanisms of AUTH (RFC 4954), in upper case.
    pub auth: Vec<String>,
    /// LIMITS RCPTMAX: recipients of a transaction (RFC 9422 §4.2).
    pub recipients_max: Option<u64>,
    /// LIMITS MAILMAX: transactions of a session (RFC 9422 §4.1).
    pub transactions_max: Option<u64>,
    /// LIMITS RCPTDOMAINMAX: domains of all recipients of a session (RFC 9422 §4.3).
    pub domains_max: Option<u64>,
}

impl Capabilities {
    /// Of the lines of an answer; the first one names the server. What is not known, or makes no
    /// sense, is passed over.
    #[must_use]
    pub fn parse(lines: &[String]) -> Self {
        let mut found = Self::default();
        for line in lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let Some(keyword) = words.next() else { continue };
            match keyword.to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "CHUNKING" => found.chunking = true,
                "BINARYMIME" => found.binary_mime = true,
                "8BITMIME" => found.eight_bit_mime = true,
                "SMTPUTF8" => found.utf8 = true,
                "DSN" => found.dsn = true,
                "STARTTLS" => found.starttls = true,
                "REQUIRETLS" => found.require_tls = true,
                "SIZE" => {
                    found.size = true;
                    // RFC 1870 §4: 0 is no fixed limit.
                    let octets = words.next().and_then(|octets| octets.parse().ok());
                    found.message_octets_max = octets.filter(|octets| *octets > 0);
                }
                "AUTH" => found.auth.extend(words.map(str::to_ascii_uppercase)),
                "LIMITS" => words.for_each(|word| found.limit(word)),
                _ => {}
            }
        }
        found
    }

    /// `limits-value = name [ "=" value ]`, numbers of one to six digits that are not zero
    /// (RFC 9422 §3, §4).
    fn limit(&mut self, word: &str) {
        let Some((name, value)) = word.split_once('=') else { return };
        let value = value.parse().ok().filter(|number| (1..=999_999).contains(number));
        match name.to_ascii_uppercase().as_str() {
            "RCPTMAX" => self.recipients_max = value,
            "MAILMAX" => self.transactions_max = value,
            "RCPTDOMAINMAX" => self.domains_max = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Capabilities {
        Capabilities::parse(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn known_ones() {
        let all = parse(
            "mx.example.test DSN\nPIPELINING\nsize 1000\nAUTH PLAIN scram-sha-256\n8BITMIME\n\
             LIMITS RCPTMAX=20 mailmax=5 RCPTDOMAINMAX=1 OTHER=x\nX-UNKNOWN\n",
        );
        assert!(all.pipelining && all.size && all.eight_bit_mime);
        // The name's line is no keyword.
        assert!(!all.dsn);
        assert_eq!(all.message_octets_max, Some(1_000));
        assert_eq!(all.auth, ["PLAIN", "SCRAM-SHA-256"]);
        let limits = (all.recipients_max, all.transactions_max, all.domains_max);
        assert_eq!(limits, (Some(20), Some(5), Some(1)));
    }

    #[test]
    fn what_makes_no_sense() {
        let odd = parse("x\nSIZE 0\nLIMITS RCPTMAX=0 MAILMAX=1000000 RCPTDOMAINMAX\n\n");
        assert_eq!(odd, Capabilities { size: true, ..Capabilities::default() });
        assert_eq!(parse("x\nSIZE many").message_octets_max, None);
    }
}
