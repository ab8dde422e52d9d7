//! What links look like: host, the domain that is probably registered, top level, path.

use crate::tokens::{Gatherer, Kind};

/// The links of one message.
pub(crate) struct Links {
    own: Vec<String>,
    left: usize,
}

impl Links {
    /// `own`: domains of the recipients, of which nothing is learnt.
    pub(crate) const fn new(own: Vec<String>, links_max: usize) -> Self {
        Self { own, left: links_max }
    }

    /// Tokens of a link `scheme://…`.
    pub(crate) fn add(&mut self, link: &str, gatherer: &mut Gatherer<'_>) {
        let Some((scheme, rest)) = link.split_once("://") else { return };
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if !scheme.eq_ignore_ascii_case("http") {
            gatherer.add(Kind::Link, &scheme.to_ascii_lowercase());
        }
        let address = match authority.rsplit_once('@') {
            Some((_, address)) => {
                gatherer.add(Kind::Link, "a name before the host");
                address
            }
            None => authority,
        };
        let host = match address.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
                if !matches!(port, "" | "80" | "443") {
                    gatherer.add(Kind::Link, "a port");
                }
                host
            }
            _ => address,
        };
        self.host(&host.trim_end_matches('.').to_lowercase(), gatherer);
        shape_of_path(path, gatherer);
    }

    fn host(&self, host: &str, gatherer: &mut Gatherer<'_>) {
        let digits = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if host.is_empty() || digits || host.starts_with('[') || host.starts_with("0x") {
            gatherer.add(Kind::Link, "a host that is a number");
            return;
        }
        if host.contains('%') {
            gatherer.add(Kind::Link, "a host in disguise");
        }
        if host.split('.').any(|label| label.starts_with("xn--")) {
            gatherer.add(Kind::Link, "an internationalised host");
        }
        let registered = registered(host);
        if self.own.iter().any(|own| own == registered) {
            return;
        }
        gatherer.add(Kind::Link, registered);
        if registered != host {
            gatherer.add(Kind::Link, host);
        }
        let top = host.rsplit_once('.').map_or("", |(_, top)| top);
        gatherer.add(Kind::Link, &format!(".{top}"));
    }
}

/// The domain that was probably registered: two labels, three below such as `co.uk`. A guess,
/// without the list of public suffixes: it is only a word to be learnt.
pub(crate) fn registered(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return host };
    let middle = last - second - 1;
    let country = host.len() - last - 1 == 2;
    let cut = if country && middle <= 3 { dots.next().map_or(0, |at| at + 1) } else { second + 1 };
    host.get(cut..).unwrap_or(host)
}

fn shape_of_path(path: &str, gatherer: &mut Gatherer<'_>) {
    let (path, query) = path.split_once(['?', '#']).unwrap_or((path, ""));
    let file = path.rsplit_once('/').map_or("", |(_, file)| file);
    if let Some((_, ending)) = file.rsplit_once('.').filter(|(_, ending)| ending.len() <= 5) {
        gatherer.add(Kind::Link, &format!("/….{}", ending.to_lowercase()));
    }
    for word in path.split('/').filter(|word| (3..=20).contains(&word.len())) {
        if !word.bytes().any(|b| b.is_ascii_digit()) {
            gatherer.add(Kind::Link, &format!("/{}", word.to_lowercase()));
        }
    }
    if !query.is_empty() {
        let long = if query.len() > 32 { "long " } else { "" };
        gatherer.add(Kind::Link, &format!("a {long}query"));
        if query.contains('@') || query.to_ascii_lowercase().contains("%40") {
            gatherer.add(Kind::Link, "an address in the query");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_domains() {
        for (host, expected) in [
            ("a.b.example.com", "example.com"),
            ("example.com", "example.com"),
            ("localhost", "localhost"),
            ("www.example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk"),
            ("example.co.uk", "example.co.uk"),
            ("www.example.de", "example.de"),
            ("", ""),
            ("..", "."),
        ] {
            assert_eq!(registered(host), expected, "{host}");
        }
    }
}
