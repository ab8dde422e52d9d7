//! Settings of what is remembered of strangers.

use crate::config::{
    Setting,
    read::{self, Read},
};

/// In the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    row!(
        "greylist.enabled",
        "true or false",
        "false",
        "Whether senders that are new here are asked to come again (450 4.7.1), after their \
         message was checked: known are domains that SPF or DKIM vouches for, otherwise a network \
         (IPv4: /24, IPv6: /48) with the domain of the reverse-path. Not asked are those of \
         `inbound.exempt`.",
        inbound.greylist.enabled
    ),
    row!(
        "greylist.delay_seconds",
        "seconds",
        "60",
        "Who comes again sooner is asked once more.",
        inbound.greylist.delay_seconds
    ),
    row!(
        "greylist.retry_hours_max",
        "hours",
        "48",
        "Who comes again later begins anew.",
        inbound.greylist.retry_hours_max
    ),
    row!(
        "greylist.keep_days",
        "days",
        "60",
        "Who was let in is let in for so long after it last came.",
        inbound.greylist.keep_days
    ),
    row!(
        "greylist.senders_max",
        "senders",
        "100000",
        "Senders that are remembered; of more, the oldest are forgotten.",
        inbound.greylist.senders_max
    ),
    Setting {
        name: "greylist.exempt_domains",
        unit: "list of domains",
        default: "[]",
        doc: "Domains that are let in at once when SPF or DKIM vouches for them.",
        set: |config, value| {
            config.inbound.greylist.exempt_domains = read::domains(value)?;
            Ok(())
        },
    },
];
