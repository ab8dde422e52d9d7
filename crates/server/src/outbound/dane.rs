//! DANE for SMTP: a server's certificate against the TLSA records of its name (RFC 6698, RFC 7671,
//! RFC 7672). The records must have come with DNSSEC; that is the caller's part.
//!
//! Invariants: usages 0 and 1 are never used (RFC 7672 §3.1.3); with usage 3 neither names nor
//! dates count (§3.1.1); with usage 2 both do (§3.1.2); no usable record, no verifier.

use super::verify::{Signatures, refused};
use aws_lc_rs::digest::{SHA256, SHA512, digest};
use rustls::{
    DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use std::fmt;

/// A TLSA record (RFC 6698 §2.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tlsa {
    /// Certificate usage: 2 (DANE-TA) or 3 (DANE-EE); others are not usable for SMTP.
    pub usage: u8,
    /// 0: the certificate, 1: its public key.
    pub selector: u8,
    /// 0: as it is, 1: SHA-256, 2: SHA-512.
    pub matching: u8,
    /// What it must be.
    pub data: Vec<u8>,
}

impl fmt::Display for Tlsa {
    /// As zone files have it (RFC 6698 §2.2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching)?;
        self.data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl Tlsa {
    /// Whether a client of SMTP can do something with it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let octets = match self.matching {
            0 => !self.data.is_empty(),
            1 => self.data.len() == 32,
            2 => self.data.len() == 64,
            _ => false,
        };
        matches!(self.usage, 2 | 3) && matches!(self.selector, 0 | 1) && octets
    }

    fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        let key;
        let selected: &[u8] = if self.selector == 0 {
            certificate
        } else {
            let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
            key = parsed.subject_public_key_info();
            &key
        };
        match self.matching {
            0 => selected == self.data,
            1 => digest(&SHA256, selected).as_ref() == self.data,
            _ => digest(&SHA512, selected).as_ref() == self.data,
        }
    }
}

/// Verifies by TLSA records.
#[derive(Debug)]
pub(super) struct Dane {
    records: Vec<Tlsa>,
    names: Vec<ServerName<'static>>,
    signatures: Signatures,
}

impl Dane {
    /// With the records that are usable; `None` when there are none. Names are those that a
    /// certificate under a DANE-TA may have: the host's, and the domain's that mail is for.
    pub fn new(records: Vec<Tlsa>, names: &[String]) -> Option<Self> {
        let mut records = records;
        records.retain(Tlsa::is_usable);
        // RFC 7671 §9: of digests of one thing, the strongest decides.
        let strong: Vec<(u8, u8)> = records
            .iter()
            .filter(|record| record.matching == 2)
            .map(|record| (record.usage, record.selector))
            .collect();
        records.retain(|one| one.matching != 1 || !strong.contains(&(one.usage, one.selector)));
        let names = names.iter().filter_map(|name| ServerName::try_from(name.clone()).ok());
        let names = names.collect();
        (!records.is_empty()).then(|| Self { records, names, signatures: Signatures::default() })
    }

    fn of(&self, usage: u8) -> impl Iterator<Item = &Tlsa> {
        self.records.iter().filter(move |record| record.usage == usage)
    }

    /// Usage 2: the chain leads to a certificate that a record is for.
    fn has_anchor(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let mut anchors = RootCertStore::empty();
        for record in self.of(2) {
            for certificate in chain.iter().filter(|one| record.matches(one)) {
                anchors.add(certificate.clone().into_owned())?;
            }
            // RFC 7671 §5.2: a whole certificate in the record need not be sent by the server.
            if (record.selector, record.matching) == (0, 0) {
                let _ = anchors.add(CertificateDer::from(record.data.clone()));
            }
        }
        if anchors.is_empty() {
            return Err(refused("no TLSA record matches"));
        }
        let parsed = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.signatures.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &anchors, chain, now, algorithms)?;
        let named = self.names.iter().any(|name| verify_server_name(&parsed, name).is_ok());
        if named { Ok(()) } else { Err(rustls::CertificateError::NotValidForName.into()) }
    }
}

impl ServerCertVerifier for Dane {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.of(3).any(|record| record.matches(leaf)) {
            self.has_anchor(leaf, chain, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
