//! DMARC and TLS reports: what is read and written is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailauth::report::{aggregate, tls};

fuzz_target!(|data: &[u8]| {
    if let Ok(report) = aggregate::Report::parse(data) {
        let again = aggregate::Report::parse(report.xml().as_bytes()).unwrap();
        assert_eq!(again, aggregate::Report { records_lost: 0, ..report });
        let name = again.file_name("mx.test");
        assert!(!name.contains(['/', '\\', '\0', '\r', '\n']));
    }
    if let Ok(report) = tls::Report::parse(data) {
        assert_eq!(tls::Report::parse(report.json().as_bytes()).unwrap(), report);
    }
    let _ = tls::destinations(&[data.to_vec()]);
});
