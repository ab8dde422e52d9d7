//! Settings of DNS and of mail that goes elsewhere.

use super::super::{
    Setting,
    read::{self, Read},
};
use crate::{
    outbound::{Host, Logins, Route, source},
    sts::{self, AGE_SECONDS_MAX},
};
use std::path::PathBuf;

pub(super) const SETTINGS: &[Setting] = &[
    row!(
        "inbound.check_senders",
        "true or false",
        "true",
        "Whether senders of mail that comes by port 25 are checked (SPF, DKIM, DMARC) and what was \
         found is written on top of it. `palomar dev` does so only with `dns.servers`.",
        inbound.check_senders
    ),
    row!(
        "inbound.dmarc",
        "word",
        "\"enforce\"",
        "What becomes of mail that its author's domain did not send: `enforce`: what the domain \
         asks for, refused or Junk; `junk`: Junk at most; `mark`: only written down.",
        inbound.dmarc
    ),
    row!(
        "inbound.check_seconds",
        "seconds",
        "20",
        "For all that DNS is asked about a message; what is not known then decides nothing.",
        inbound.check_seconds
    ),
    row!(
        "inbound.dns_failure_hours_max",
        "hours",
        "48",
        "That mail is asked to come again (451 4.4.3) since DNS does not answer for its author's \
         domain, which might have asked to refuse it; counted from the first try. Then it is \
         taken, with `temperror` in Authentication-Results. 0: at once.",
        inbound.dns_failure_hours_max
    ),
    row!(
        "inbound.received_max",
        "fields",
        "100",
        "Received fields of a message that is taken, also from our own users; one with more goes \
         round and is refused (RFC 5321 §6.3: at least 100).",
        inbound.received_max
    ),
    Setting {
        name: "inbound.arc_trusted_sealers",
        unit: "list of domains",
        default: "[]",
        doc: "Domains whose ARC seals are believed, as of mailing lists and hosts that forward to \
              here: mail that DMARC would refuse or put into Junk is taken if its chain is whole \
              and they say that DMARC passed when it came to them.",
        set: |config, value| {
            config.inbound.arc_trusted_sealers = read::domains(value)?;
            Ok(())
        },
    },
    row!(
        "inbound.connections_minute_max",
        "connections",
        "120",
        "That an address (IPv6: a /64) may open to port 25 in a minute; more hear 421. 0: any \
         number; so with the next three.",
        inbound.rates.connections_minute_max
    ),
    row!(
        "inbound.messages_hour_max",
        "messages",
        "2000",
        "That may come from an address in an hour; more hear 450 at MAIL.",
        inbound.rates.messages_hour_max
    ),
    row!(
        "inbound.recipients_hour_max",
        "recipients",
        "5000",
        "That an address may name in an hour; more hear 450 at RCPT.",
        inbound.rates.recipients_hour_max
    ),
    row!(
        "inbound.unknown_recipients_hour_max",
        "recipients",
        "60",
        "That an address may name in an hour although they are not here. Who tries out more names \
         hears 450 at each RCPT, whoever it is for.",
        inbound.rates.unknown_recipients_hour_max
    ),
    row!(
        "inbound.network_times_max",
        "",
        "8",
        "A network (IPv4: /24, IPv6: /48) may do so many times what an address may.",
        inbound.rates.network_times_max
    ),
    row!(
        "inbound.networks_max",
        "networks",
        "65536",
        "Addresses and networks whose doings are remembered; of more, the quietest are forgotten.",
        inbound.rates.networks_max
    ),
    row!(
        "inbound.exempt",
        "list of networks",
        "[\"127.0.0.0/8\", \"::1/128\"]",
        "Networks that these limits do not hold for, e.g. of a backup MX of yours.",
        inbound.rates.exempt
    ),
    row!(
        "reports.keep_days",
        "days",
        "400",
        "That reports of others about our domains (DMARC, TLS) are kept for `palomar reports`.",
        reports.keep_days
    ),
    row!(
        "reports.domain_max",
        "reports",
        "50000",
        "About one domain that are kept; more are only delivered.",
        reports.domain_max
    ),
    row!(
        "sts.mode",
        "word",
        "",
        "What the MTA-STS policy of our domains asks of those who send to them: `enforce`, \
         `testing`, or `none` to withdraw one. Served by an `https` listener as \
         `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`. Without it there is no policy.",
        sts.mode
    ),
    Setting {
        name: "sts.max_age_seconds",
        unit: "seconds",
        default: "604800",
        doc: "How long senders remember the policy; at most a year.",
        set: |config, value| {
            config.sts.max_age_seconds = u32::read(value)?;
            if config.sts.max_age_seconds > AGE_SECONDS_MAX {
                return Err(format!("expected at most {AGE_SECONDS_MAX}"));
            }
            Ok(())
        },
    },
    Setting {
        name: "sts.mx",
        unit: "list of names",
        default: "[]",
        doc: "Hosts that the policy names, `*.` for one label; `host_name` without any.",
        set: |config, value| {
            let all = Vec::<String>::read(value)?;
            let all: Option<_> = all.iter().map(|text| sts::host(text)).collect();
            config.sts.hosts = all.ok_or("not host names")?;
            Ok(())
        },
    },
    row!(
        "dkim.sign",
        "true or false",
        "true",
        "Whether what users send is signed (DKIM) once DNS shows a key of their domain; keys are \
         made for each domain.",
        dkim.sign
    ),
    row!(
        "dkim.key_days",
        "days",
        "180",
        "After which a key is followed by another; 0: never.",
        dkim.key_days
    ),
    Setting {
        name: "outbound.smart_host",
        unit: "host:port",
        default: "",
        doc: "Host that takes mail for everybody else; without it and without a route mail goes to \
              the hosts that DNS names. TLS is used when it is offered; from the first octet with \
              `tls://` before it, or port 465.",
        set: |config, value| {
            let host = Host::parse(&String::read(value)?).ok_or("not a host and port")?;
            config.outbound.routes.smart_host = Some(host);
            Ok(())
        },
    },
    Setting {
        name: "outbound.routes",
        unit: "list of domain=host:port",
        default: "[]",
        doc: "Hosts that take mail for certain domains, instead of the smart host. `*.domain` is \
              all domains below it; the longest name counts. `domain=direct`: the hosts that DNS \
              names.",
        set: |config, value| {
            let all = Vec::<String>::read(value)?;
            let routes = all.iter().map(|text| Route::parse(text).ok_or("not domain=host:port"));
            config.outbound.routes.domains = routes.collect::<Result<_, _>>()?;
            Ok(())
        },
    },
    Setting {
        name: "outbound.logins_file",
        unit: "path",
        default: "",
        doc: "Logins at the smart host and along routes, a line each: host:port or the domain of \
              a route, login, password, with blanks between. A host with a login must have TLS and \
              a certificate for its name.",
        set: |config, value| {
            config.outbound.routes.logins = Logins::read(&PathBuf::read(value)?)?;
            Ok(())
        },
    },
    row!(
        "dns.servers",
        "list of address:port",
        "[]",
        "Name servers to ask; those of the system when there are none.",
        dns.servers
    ),
    row!(
        "dns.dnssec",
        "word",
        "\"auto\"",
        "Whether answers must be proven by DNSSEC, which DANE needs: `on`, `off`, or `auto`: if \
         the name servers give proofs.",
        dns.dnssec
    ),
    row!(
        "dns.trust_anchor_file",
        "path",
        "",
        "DNSKEY records that proofs begin with, as zone files have them; the Internet's root keys \
         when there is no file.",
        dns.trust_anchor_file
    ),
    row!(
        "dns.query_seconds",
        "seconds",
        "5",
        "For an answer of a name server; then it is asked once more.",
        dns.query_seconds
    ),
    row!(
        "dns.cache_answers_max",
        "answers",
        "10000",
        "Answers that are kept while they are valid.",
        dns.cache_answers_max
    ),
    row!(
        "outbound.direct",
        "true or false",
        "true",
        "Whether other domains' mail goes to the hosts that DNS names (MX), where neither a smart \
         host nor a route is set. `palomar dev` does so only with `dns.servers`.",
        outbound.direct
    ),
    row!("outbound.port", "port", "25", "Of other domains' hosts.", outbound.port),
    row!(
        "outbound.ca_file",
        "path",
        "",
        "Certificate authorities (PEM) for hosts that must prove their name; those of the system \
         without a file.",
        outbound.ca_file
    ),
    row!(
        "outbound.tls_remembered_days",
        "days",
        "3",
        "A host that had TLS is not spoken to in clear for so long: mail waits. Less than \
         `outbound.expire_seconds`; 0: not at all.",
        outbound.tls_remembered_days
    ),
    row!(
        "outbound.source_addresses",
        "list of addresses",
        "[]",
        "Addresses of this machine that hosts are called from, IPv4 and IPv6: each host from one \
         of its family, the same each time. A family without an address is not used; without a \
         list the system chooses.",
        outbound.sources.addresses
    ),
    Setting {
        name: "outbound.ehlo_names",
        unit: "list of address=name",
        default: "[]",
        doc: "Names said in EHLO from certain addresses, which should be those that DNS has for \
              them; `host_name` from others.",
        set: |config, value| {
            let all = Vec::<String>::read(value)?;
            let names = all.iter().map(|text| {
                let (address, name) = source::parse_name(text).ok_or("not address=name")?;
                Ok((address, read::host_name(&name.into())?))
            });
            config.outbound.sources.names = names.collect::<Result<_, String>>()?;
            Ok(())
        },
    },
    Setting {
        name: "outbound.sender_sources",
        unit: "list of domain=address",
        default: "[]",
        doc: "Addresses that mail of certain senders' domains leaves from, instead of \
              `outbound.source_addresses`; several with commas between.",
        set: |config, value| {
            let all = Vec::<String>::read(value)?;
            let senders =
                all.iter().map(|text| source::parse_sender(text).ok_or("not domain=address"));
            config.outbound.sources.senders = senders.collect::<Result<_, _>>()?;
            Ok(())
        },
    },
    row!(
        "outbound.warmup_addresses",
        "list of addresses",
        "[]",
        "Those of the addresses above that are new to the world: each gives a provider (who runs \
         the hosts that DNS names for a domain) only so many messages a day, and more each day \
         since its first one. What is more leaves from other addresses of ours, or waits. One \
         that is known already is not named here.",
        outbound.warmup.addresses
    ),
    row!(
        "outbound.warmup_first_day_messages_max",
        "messages",
        "50",
        "From a new address to one provider on the first day.",
        outbound.warmup.first_day_messages_max
    ),
    row!(
        "outbound.warmup_growth_percent",
        "per cent",
        "100",
        "More on each day than on the one before.",
        outbound.warmup.growth_percent
    ),
    row!(
        "outbound.warmup_days",
        "days",
        "14",
        "After which an address is new no more.",
        outbound.warmup.days
    ),
    row!(
        "outbound.retry_seconds_min",
        "seconds",
        "120",
        "Until a message is tried again; then twice as long each time.",
        outbound.retry_seconds_min
    ),
    row!(
        "outbound.retry_seconds_max",
        "seconds",
        "5400",
        "Between two tries at most.",
        outbound.retry_seconds_max
    ),
    row!(
        "outbound.expire_seconds",
        "seconds",
        "432000",
        "After which a message is given up, and its sender told (RFC 5321: 4 to 5 days).",
        outbound.expire_seconds
    ),
    row!(
        "outbound.warn_seconds",
        "seconds",
        "14400",
        "After which the sender of a message that still waits is told.",
        outbound.warn_seconds
    ),
    row!(
        "outbound.account_recipients_hour_max",
        "recipients",
        "500",
        "Elsewhere, that an account may write to in an hour; then it is told to try later (450), \
         and its owner and `outbound.notice_address` get a notice. 0: any number, as in `palomar \
         dev` by default.",
        outbound.account.recipients_hour_max
    ),
    row!(
        "outbound.account_recipients_day_max",
        "recipients",
        "2000",
        "The same in a day.",
        outbound.account.recipients_day_max
    ),
    Setting {
        name: "outbound.notice_address",
        unit: "address",
        default: "",
        doc: "Who gets notices besides an account's owner; without it `postmaster` of the \
              account's domain, if there is one.",
        set: |config, value| {
            let address = mail::Address::parse(&String::read(value)?).ok_or("not an address")?;
            config.outbound.account.notice_address = Some(address);
            Ok(())
        },
    },
    row!(
        "outbound.hold_seconds_max",
        "seconds",
        "7776000",
        "That a message is held at most when its sender asks for it (FUTURERELEASE, send later); \
         0: not offered.",
        outbound.hold_seconds_max
    ),
    row!(
        "outbound.connections_max",
        "connections",
        "100",
        "Connections to other servers.",
        outbound.connections_max
    ),
    row!(
        "outbound.host_connections_max",
        "connections",
        "20",
        "Connections to one host, for all domains that it takes mail for.",
        outbound.host_connections_max
    ),
    row!(
        "outbound.host_messages_per_minute_max",
        "messages",
        "0",
        "Messages to one host in a minute; 0 for any number.",
        outbound.host_messages_per_minute_max
    ),
    row!(
        "outbound.domain_connections_max",
        "connections",
        "20",
        "Connections for the mail of one domain, whichever of its hosts take it; also for all \
         that goes to one smart host or along one route.",
        outbound.domain_connections_max
    ),
    row!(
        "outbound.domain_messages_per_minute_max",
        "messages",
        "0",
        "Messages to one domain in a minute; 0 for any number.",
        outbound.domain_messages_per_minute_max
    ),
];
