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
    row!(
        "reputation.enabled",
        "true or false",
        "true",
        "Whether it is remembered what mail of a sender was worth here: of the organizational \
         domains that SPF or DKIM proves, of the address (IPv6: a /64), of its network (IPv4: /24, \
         IPv6: /48). Not judged are those of `inbound.exempt`, and who logged in.",
        inbound.reputation.enabled
    ),
    row!(
        "reputation.half_life_days",
        "days",
        "14",
        "What was seen so long ago counts half.",
        inbound.reputation.half_life_days
    ),
    row!(
        "reputation.messages_min",
        "messages",
        "8",
        "What is known of a sender must be worth so many messages (a network: four times as many) \
         before anything follows. A message that somebody sorted is worth one, one that stayed in \
         an INBOX a twentieth.",
        inbound.reputation.messages_min
    ),
    row!(
        "reputation.account_messages_max",
        "messages",
        "3",
        "Whatever one account does with mail of one sender is worth so many messages at most, so \
         that nobody alone ruins a sender for all.",
        inbound.reputation.account_messages_max
    ),
    row!(
        "reputation.junk_percent_min",
        "percent",
        "80",
        "From this share of unwanted mail on, a sender's mail goes to Junk.",
        inbound.reputation.junk_percent_min
    ),
    row!(
        "reputation.good_percent_max",
        "percent",
        "20",
        "Up to this share a domain is a good one: greylisting lets it in at once, and addresses \
         of bad repute do not count against it.",
        inbound.reputation.good_percent_max
    ),
    row!(
        "reputation.rates_percent",
        "percent",
        "25",
        "What an address or network of bad repute may do of what the limits of `inbound` let \
         others do.",
        inbound.rates.slowed_percent
    ),
    row!(
        "reputation.senders_max",
        "senders",
        "100000",
        "Senders that are remembered, about a hundred octets each (2 KB of those that many \
         accounts hear from); of more, those that say least are forgotten: seen once, or long ago.",
        inbound.reputation.senders_max
    ),
];
