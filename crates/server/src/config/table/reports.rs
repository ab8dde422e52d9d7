//! Settings of reports to other domains.

use crate::config::{Setting, read::Read};

/// In the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    row!(
        "reports.dmarc",
        "true or false",
        "true",
        "Whether domains that ask for it (`rua`) get a DMARC report each day.",
        outbound.reports.dmarc
    ),
    row!(
        "reports.tls",
        "true or false",
        "true",
        "Whether domains that ask for it (`_smtp._tls`) get a TLS report each day of what their \
         hosts said to TLS.",
        outbound.reports.tls
    ),
    Setting {
        name: "reports.from",
        unit: "address",
        default: "",
        doc: "Who sends reports, also in the envelope: bounces go there. Without it they come from \
              `noreply-dmarc` or `noreply-tls-report` at the domain of ours that `host_name` is \
              in (else our first one), with an empty reverse-path: nobody gets bounces.",
        set: |config, value| {
            let address = mail::Address::parse(&String::read(value)?).ok_or("not an address")?;
            config.outbound.reports.from = Some(address);
            Ok(())
        },
    },
    Setting {
        name: "reports.organization",
        unit: "name",
        default: "",
        doc: "Who reports, for people; the domain of the sender without it.",
        set: |config, value| {
            let name = String::read(value)?;
            let plain = name.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            if !plain || name.is_empty() || name.len() > 200 {
                return Err("1 to 200 printable ASCII characters".to_owned());
            }
            config.outbound.reports.organization = Some(name);
            Ok(())
        },
    },
    row!(
        "reports.wait_seconds",
        "seconds",
        "3600",
        "From the end of a day (UTC) until its reports are sent.",
        outbound.reports.wait_seconds
    ),
    row!(
        "reports.spread_seconds",
        "seconds",
        "14400",
        "Over which reports are spread from then on, each domain's at a time of its own.",
        outbound.reports.spread_seconds
    ),
    row!(
        "reports.retry_days",
        "days",
        "3",
        "That a report is tried when DNS does not answer, or nobody takes it; then it is dropped.",
        outbound.reports.retry_days
    ),
    row!(
        "reports.rows_max",
        "rows",
        "5000",
        "Of one report; what has no row of its own is only counted.",
        outbound.reports.rows_max
    ),
    row!(
        "reports.all_rows_max",
        "rows",
        "100000",
        "Of all reports that wait, some hundred octets of disk each; beyond, no domain is added.",
        outbound.reports.all_rows_max
    ),
    row!(
        "reports.private_networks",
        "true or false",
        "false",
        "Whether TLS reports may be posted (`rua=https:`) to addresses of private networks and of \
         this machine. Strangers name these addresses.",
        outbound.reports.private_networks
    ),
];
