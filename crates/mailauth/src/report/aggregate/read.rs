//! Reads aggregate reports: elements by their names, in any order and any namespace, as the
//! generators of this world write them.

use super::{Disposition, Dkim, Published, Reason, Record, Report, Row, Spf};
use crate::dmarc::{Alignment, Policy};
use crate::report::{LIST_MAX, REPORT_OCTETS_MAX, ROWS_MAX, Unreadable, VALUE_OCTETS_MAX, kept};
use crate::spf::Identity;
use core::net::{IpAddr, Ipv4Addr};
use quick_xml::{Reader, events::Event};

/// Elements in elements; the schema has six levels.
const DEPTH_MAX: usize = 32;

pub fn report(xml: &[u8]) -> Result<Report, Unreadable> {
    if xml.len() > REPORT_OCTETS_MAX {
        return Err(Unreadable::TooLarge);
    }
    let text = mail::text::guessed(xml);
    let mut reader = Reader::from_str(&text);
    let mut building = Building::new();
    let mut path: Vec<String> = Vec::new();
    let mut content = String::new();
    loop {
        match reader.read_event().map_err(|_| Unreadable::Syntax)? {
            Event::Eof if path.is_empty() => return building.finish(),
            Event::Eof => return Err(Unreadable::Syntax),
            Event::Start(element) => {
                if path.len() >= DEPTH_MAX {
                    return Err(Unreadable::Syntax);
                }
                path.push(element.local_name().as_ref().to_ascii_lowercase());
                content.clear();
                building.open(&path);
            }
            Event::End(_) => {
                building.close(&path, &content);
                path.pop();
                content.clear();
            }
            Event::Empty(_) => content.clear(),
            Event::Text(part) => add(&mut content, &part.xml10_content()),
            Event::CData(part) => add(&mut content, &part.xml10_content()),
            Event::GeneralRef(reference) => {
                if let Ok(Some(letter)) = reference.resolve_char_ref() {
                    content.push(letter);
                } else if let Some(known) =
                    quick_xml::escape::resolve_predefined_entity(&reference.xml10_content())
                {
                    add(&mut content, known);
                }
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// More than is kept of a value is not even gathered.
fn add(content: &mut String, part: &str) {
    if content.len() < VALUE_OCTETS_MAX * 4 {
        let room = part.floor_char_boundary(VALUE_OCTETS_MAX * 4);
        content.push_str(part.get(..room).unwrap_or_default());
    }
}

struct Building {
    report: Report,
    row: Row,
    count: Option<u64>,
    source: Option<IpAddr>,
    in_feedback: bool,
}

fn blank() -> Row {
    Row {
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        disposition: Disposition::None,
        dkim_aligned: false,
        spf_aligned: false,
        reasons: Vec::new(),
        header_from: String::new(),
        envelope_from: None,
        envelope_to: None,
        dkim: Vec::new(),
        spf: Vec::new(),
    }
}

impl Building {
    fn new() -> Self {
        let published = Published {
            domain: String::new(),
            policy: Policy::None,
            subdomain_policy: None,
            nonexistent_policy: None,
            dkim_alignment: None,
            spf_alignment: None,
            testing: false,
            discovery: None,
            failure_options: None,
        };
        let report = Report {
            organization: String::new(),
            email: String::new(),
            contact: None,
            id: String::new(),
            begin_unix_seconds: 0,
            end_unix_seconds: 0,
            errors: Vec::new(),
            generator: None,
            published,
            records: Vec::new(),
            records_lost: 0,
        };
        Self { report, row: blank(), count: None, source: None, in_feedback: false }
    }

    fn finish(self) -> Result<Report, Unreadable> {
        match &self.report {
            _ if !self.in_feedback => Err(Unreadable::Lacks("feedback")),
            report if report.published.domain.is_empty() => Err(Unreadable::Lacks("domain")),
            report if report.id.is_empty() => Err(Unreadable::Lacks("report_id")),
            _ => Ok(self.report),
        }
    }

    fn open(&mut self, path: &[String]) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["feedback"] => self.in_feedback = true,
            ["feedback", "record"] => {
                (self.row, self.count, self.source) = (blank(), None, None);
            }
            ["feedback", "record", "auth_results", "dkim"] => {
                let [domain, selector, result] = [const { String::new() }; 3];
                self.row.dkim.push(Dkim { domain, selector, result, human: None });
            }
            ["feedback", "record", "auth_results", "spf"] => {
                let [domain, result] = [const { String::new() }; 2];
                self.row.spf.push(Spf { domain, scope: None, result, human: None });
            }
            ["feedback", "record", "row", "policy_evaluated", "reason"] => {
                self.row.reasons.push(Reason { kind: String::new(), comment: None });
            }
            _ => {}
        }
    }

    fn close(&mut self, path: &[String], content: &str) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["feedback", "record"] => self.record(),
            ["feedback", "record", "auth_results", _] => {
                // A result of no domain says nothing, and would take more memory than it came in.
                let _ = self.row.dkim.pop_if(|dkim| dkim.domain.is_empty());
                let _ = self.row.spf.pop_if(|spf| spf.domain.is_empty());
                self.row.dkim.truncate(LIST_MAX);
                self.row.spf.truncate(LIST_MAX);
            }
            ["feedback", "record", "row", "policy_evaluated", "reason"] => {
                let _ = self.row.reasons.pop_if(|reason| reason.kind.is_empty());
                self.row.reasons.truncate(LIST_MAX);
            }
            ["feedback", "report_metadata", rest @ ..] => self.metadata(rest, content),
            ["feedback", "policy_published", name] => self.published(name, content),
            ["feedback", "record", "row", rest @ ..] => self.row(rest, content),
            ["feedback", "record", "identifiers", name] => self.identifier(name, content),
            ["feedback", "record", "auth_results", method, name] => {
                self.result(method, name, content);
            }
            _ => {}
        }
    }

    fn record(&mut self) {
        let row = std::mem::replace(&mut self.row, blank());
        match (self.source.take(), self.count.take()) {
            (Some(source), Some(count)) if self.report.records.len() < ROWS_MAX => {
                self.report.records.push(Record { count, row: Row { source, ..row } });
            }
            _ => self.report.records_lost += 1,
        }
    }

    fn metadata(&mut self, path: &[&str], content: &str) {
        let report = &mut self.report;
        match path {
            ["org_name"] => report.organization = kept(content),
            ["email"] => report.email = kept(content),
            ["extra_contact_info"] => report.contact = some(content),
            ["report_id"] => report.id = kept(content),
            ["date_range", "begin"] => report.begin_unix_seconds = number(content).unwrap_or(0),
            ["date_range", "end"] => report.end_unix_seconds = number(content).unwrap_or(0),
            ["error"] if report.errors.len() < LIST_MAX => report.errors.push(kept(content)),
            ["generator"] => report.generator = some(content),
            _ => {}
        }
    }

    fn published(&mut self, name: &str, content: &str) {
        let published = &mut self.report.published;
        let content = content.trim();
        let alignment = || match content {
            "r" | "R" => Some(Alignment::Relaxed),
            "s" | "S" => Some(Alignment::Strict),
            _ => None,
        };
        match name {
            "domain" => published.domain = kept(content).to_ascii_lowercase(),
            "p" => published.policy = Policy::parse(content).unwrap_or(Policy::None),
            "sp" => published.subdomain_policy = Policy::parse(content),
            "np" => published.nonexistent_policy = Policy::parse(content),
            "adkim" => published.dkim_alignment = alignment(),
            "aspf" => published.spf_alignment = alignment(),
            "testing" => published.testing = content.eq_ignore_ascii_case("y"),
            "discovery_method" => published.discovery = some(content),
            "fo" => published.failure_options = some(content),
            _ => {}
        }
    }

    fn row(&mut self, path: &[&str], content: &str) {
        let passed = || content.trim().eq_ignore_ascii_case("pass");
        match path {
            ["source_ip"] => self.source = content.trim().parse().ok(),
            ["count"] => self.count = number(content),
            ["policy_evaluated", "disposition"] => {
                self.row.disposition =
                    Disposition::parse(content.trim()).unwrap_or(Disposition::None);
            }
            ["policy_evaluated", "dkim"] => self.row.dkim_aligned = passed(),
            ["policy_evaluated", "spf"] => self.row.spf_aligned = passed(),
            ["policy_evaluated", "reason", name] => {
                let Some(reason) = self.row.reasons.last_mut() else { return };
                match *name {
                    "type" => reason.kind = kept(content).to_ascii_lowercase(),
                    "comment" => reason.comment = some(content),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn identifier(&mut self, name: &str, content: &str) {
        match name {
            "header_from" => self.row.header_from = kept(content).to_ascii_lowercase(),
            "envelope_from" => self.row.envelope_from = some(content),
            "envelope_to" => self.row.envelope_to = some(content),
            _ => {}
        }
    }

    fn result(&mut self, method: &str, name: &str, content: &str) {
        let word = || kept(content).to_ascii_lowercase();
        match (method, self.row.dkim.last_mut(), self.row.spf.last_mut()) {
            ("dkim", Some(dkim), _) => match name {
                "domain" => dkim.domain = word(),
                "selector" => dkim.selector = kept(content),
                "result" => dkim.result = word(),
                "human_result" => dkim.human = some(content),
                _ => {}
            },
            ("spf", _, Some(spf)) => match name {
                "domain" => spf.domain = word(),
                "result" => spf.result = word(),
                "human_result" => spf.human = some(content),
                "scope" => {
                    spf.scope = match content.trim() {
                        "helo" => Some(Identity::Helo),
                        "mfrom" => Some(Identity::MailFrom),
                        _ => None,
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}

fn number(content: &str) -> Option<u64> {
    content.trim().parse().ok()
}

fn some(content: &str) -> Option<String> {
    Some(kept(content)).filter(|text| !text.is_empty())
}
