//! Writes the XML of RFC 9990 appendix A, in the order of its schema.

use super::{Dkim, Published, Reason, Record, Report, Spf};
use crate::dmarc::Alignment;
use crate::spf::Identity;

struct Writer {
    out: String,
    depth: usize,
}

pub fn xml(report: &Report) -> String {
    let mut writer = Writer { out: String::new(), depth: 0 };
    writer.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    writer.out.push_str("<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n");
    writer.depth = 1;
    writer.leaf("version", "1.0");
    writer.inside("report_metadata", |w| metadata(w, report));
    writer.inside("policy_published", |w| published(w, &report.published));
    for record in &report.records {
        writer.inside("record", |w| one(w, record));
    }
    writer.out.push_str("</feedback>\n");
    writer.out
}

fn metadata(writer: &mut Writer, report: &Report) {
    writer.leaf("org_name", &report.organization);
    writer.leaf("email", &report.email);
    writer.optional("extra_contact_info", report.contact.as_deref());
    writer.leaf("report_id", &report.id);
    writer.inside("date_range", |w| {
        w.leaf("begin", &report.begin_unix_seconds.to_string());
        w.leaf("end", &report.end_unix_seconds.to_string());
    });
    for error in &report.errors {
        writer.leaf("error", error);
    }
    writer.optional("generator", report.generator.as_deref());
}

fn published(writer: &mut Writer, published: &Published) {
    let alignment = |mode| match mode {
        Alignment::Relaxed => "r",
        Alignment::Strict => "s",
    };
    writer.leaf("domain", &published.domain);
    writer.leaf("p", published.policy.as_str());
    writer.optional("sp", published.subdomain_policy.map(|p| p.as_str()));
    writer.optional("np", published.nonexistent_policy.map(|p| p.as_str()));
    writer.optional("adkim", published.dkim_alignment.map(alignment));
    writer.optional("aspf", published.spf_alignment.map(alignment));
    writer.optional("discovery_method", published.discovery.as_deref());
    writer.optional("fo", published.failure_options.as_deref());
    writer.leaf("testing", if published.testing { "y" } else { "n" });
}

fn one(writer: &mut Writer, record: &Record) {
    let row = &record.row;
    let passed = |aligned| if aligned { "pass" } else { "fail" };
    writer.inside("row", |w| {
        w.leaf("source_ip", &row.source.to_string());
        w.leaf("count", &record.count.to_string());
        w.inside("policy_evaluated", |w| {
            w.leaf("disposition", row.disposition.as_str());
            w.leaf("dkim", passed(row.dkim_aligned));
            w.leaf("spf", passed(row.spf_aligned));
            for Reason { kind, comment } in &row.reasons {
                w.inside("reason", |w| {
                    w.leaf("type", kind);
                    w.optional("comment", comment.as_deref());
                });
            }
        });
    });
    writer.inside("identifiers", |w| {
        w.leaf("header_from", &row.header_from);
        w.optional("envelope_from", row.envelope_from.as_deref());
        w.optional("envelope_to", row.envelope_to.as_deref());
    });
    writer.inside("auth_results", |w| {
        for Dkim { domain, selector, result, human } in &row.dkim {
            w.inside("dkim", |w| {
                w.leaf("domain", domain);
                w.leaf("selector", selector);
                w.leaf("result", result);
                w.optional("human_result", human.as_deref());
            });
        }
        for Spf { domain, scope, result, human } in &row.spf {
            w.inside("spf", |w| {
                w.leaf("domain", domain);
                w.optional("scope", scope.map(scope_name));
                w.leaf("result", result);
                w.optional("human_result", human.as_deref());
            });
        }
    });
}

const fn scope_name(identity: Identity) -> &'static str {
    match identity {
        Identity::Helo => "helo",
        Identity::MailFrom => "mfrom",
    }
}

impl Writer {
    fn inside(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.indent();
        self.out.push_str(&format!("<{name}>\n"));
        self.depth += 1;
        content(self);
        self.depth -= 1;
        self.indent();
        self.out.push_str(&format!("</{name}>\n"));
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.indent();
        self.out.push_str(&format!("<{name}>"));
        // What strangers sent stands here: no markup, no control characters.
        for c in super::super::kept(text).chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\u{fffe}' | '\u{ffff}' => self.out.push('\u{fffd}'),
                c => self.out.push(c),
            }
        }
        self.out.push_str(&format!("</{name}>\n"));
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    fn indent(&mut self) {
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }
}
