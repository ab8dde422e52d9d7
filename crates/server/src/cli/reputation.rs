//! How `palomar reputation` tells.

use crate::{admin::SenderRow, calendar::short};

/// Senders, as a table.
pub fn text(rows: &[SenderRow]) -> String {
    let mut out = String::new();
    if rows.is_empty() {
        return "nothing is known of any sender\n".to_owned();
    }
    out += &format!(
        "{:<8} {:>8} {:>8} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8}  {:<19} sender\n",
        "repute",
        "unwanted",
        "messages",
        "INBOX",
        "wanted",
        "Junk",
        "found",
        "DMARC",
        "no such",
        "last"
    );
    for row in rows {
        out += &format!(
            "{:<8} {:>6.0} % {:>8.1} {:>6.1} {:>6.1} {:>6.1} {:>6.1} {:>6.1} {:>8.1}  {:<19} {}\n",
            row.repute,
            row.unwanted_percent,
            row.messages,
            row.inbox,
            row.wanted,
            row.junk,
            row.found,
            row.forged,
            row.unknown_recipients,
            short(row.last),
            row.sender
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_to_people() {
        let row = SenderRow {
            sender: "bad.test".into(),
            repute: "bad".into(),
            unwanted_percent: 87.3,
            messages: 9.45,
            junk: 9.0,
            ..SenderRow::default()
        };
        let told = text(&[row]);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[1].starts_with("bad          87 %      9.4"), "{told}");
        assert!(lines[1].ends_with(" bad.test"), "{told}");
        assert!(text(&[]).contains("nothing is known"));
    }
}
