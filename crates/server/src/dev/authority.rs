//! A certificate authority of a data folder, and the server's certificate under it.
//!
//! Invariants: the authority is made once and kept, so that a client that trusts it goes on doing
//! so; the server's certificate is made anew when it is a month old; keys are 0600.

use crate::data;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const DAY: Duration = Duration::from_secs(86_400);
const AUTHORITY_DAYS: u32 = 3650;
/// Apple's clients take no server certificate that lasts longer than 825 days.
const SERVER_DAYS: u32 = 397;
/// Age at which a server certificate is made anew.
const SERVER_DAYS_MAX: u32 = 30;

/// Makes what is missing. Gives the path of the CA's certificate.
pub fn prepare(folder: &Path, host_name: &str) -> io::Result<PathBuf> {
    data::folder(folder)?;
    let ca_path = folder.join("ca.pem");
    let ca_key_path = folder.join("ca.key");
    let key = if ca_path.exists() {
        KeyPair::from_pem(&fs::read_to_string(&ca_key_path)?).map_err(io::Error::other)?
    } else {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = authority()?.self_signed(&key).map_err(io::Error::other)?;
        data::write_secret(&ca_key_path, key.serialize_pem().as_bytes())?;
        data::write_secret(&ca_path, certificate.pem().as_bytes())?;
        key
    };
    let server_path = folder.join("server.pem");
    if !is_young(&server_path) {
        let issuer = Issuer::new(authority()?, key);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = server(host_name)?.signed_by(&key, &issuer).map_err(io::Error::other)?;
        data::write_secret(&folder.join("server.key"), key.serialize_pem().as_bytes())?;
        data::write_secret(&server_path, certificate.pem().as_bytes())?;
    }
    Ok(ca_path)
}

fn is_young(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|data| data.modified()).ok().map(|time| time.elapsed());
    age.is_some_and(|age| age.unwrap_or_default() < DAY * SERVER_DAYS_MAX)
}

fn lasting(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    // Clocks differ a little.
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
}

fn authority() -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Palomar development CA");
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut params, AUTHORITY_DAYS);
    Ok(params)
}

fn server(host_name: &str) -> io::Result<CertificateParams> {
    let names = vec!["localhost".to_owned(), host_name.to_owned()];
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.subject_alt_names.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
    params.subject_alt_names.push(SanType::IpAddress(Ipv6Addr::LOCALHOST.into()));
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, host_name);
    params.distinguished_name = name;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    lasting(&mut params, SERVER_DAYS);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{CertificateFiles, Certificates};

    #[test]
    fn a_second_start_keeps_both() {
        let folder = tempfile::tempdir().unwrap();
        let ca = prepare(folder.path(), "mail.example.test").unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let before = (read("ca.pem"), read("server.pem"));
        assert_eq!(prepare(folder.path(), "mail.example.test").unwrap(), ca);
        assert_eq!((read("ca.pem"), read("server.pem")), before);
        fs::remove_file(folder.path().join("server.pem")).unwrap();
        prepare(folder.path(), "mail.example.test").unwrap();
        assert_eq!(read("ca.pem"), before.0);
        assert_ne!(read("server.pem"), before.1);
        let files = CertificateFiles {
            certificate: folder.path().join("server.pem"),
            key: folder.path().join("server.key"),
        };
        assert!(Certificates::load(vec![files]).is_ok());
    }
}
