//! What is wrong with the certificate of whoever is called by TLS: a broker, a database, a host.

use CertificateFault::{Expired, NotYetValid, OtherName, Untrusted};

/// Why a certificate is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// It was valid once.
    Expired,
    /// It will be.
    NotYetValid,
    /// It is for another name or address.
    OtherName,
    /// It is signed by none that is trusted.
    Untrusted,
}

/// OpenSSL's words for the result of a verification, and what they mean.
const MEANINGS: [(&str, CertificateFault); 10] = [
    ("certificate has expired", Expired),
    ("certificate is not yet valid", NotYetValid),
    ("hostname mismatch", OtherName),
    ("address mismatch", OtherName),
    // Another key than that of the authority of the same name.
    ("certificate signature failure", Untrusted),
    ("unable to get local issuer certificate", Untrusted),
    ("unable to get issuer certificate", Untrusted),
    ("unable to verify the first certificate", Untrusted),
    ("self-signed certificate", Untrusted),
    ("self signed certificate", Untrusted),
];

impl CertificateFault {
    /// Where OpenSSL's words say it.
    pub fn of(words: &str) -> Option<Self> {
        let words = words.to_ascii_lowercase();
        MEANINGS.iter().find(|(sign, _)| words.contains(sign)).map(|(_, fault)| *fault)
    }
}

/// What is wrong with the certificate of a server, for people.
pub(crate) fn explain(words: &str) -> Option<&'static str> {
    CertificateFault::of(words).map(|fault| match fault {
        Expired => "its certificate has expired; the server needs a new one",
        NotYetValid => "its certificate is not valid yet; is a clock wrong?",
        OtherName => "its certificate is for another name than the settings call it by",
        Untrusted => "its certificate is signed by none that is trusted",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_openssl_have_a_meaning() {
        let words = |reason: &str| format!("error:0A000086:SSL routines::certificate verify failed:x.c:1: ({reason})");
        for (reason, meaning) in [
            ("certificate has expired", "has expired"),
            ("Hostname mismatch", "another name"),
            ("IP address mismatch", "another name"),
            ("self-signed certificate in certificate chain", "signed by none that is trusted"),
            ("unable to get local issuer certificate", "signed by none that is trusted"),
        ] {
            assert!(explain(&words(reason)).unwrap().contains(meaning), "{reason}");
        }
        assert_eq!(explain("connection refused"), None);
    }
}
