//! What is wrong with a server's certificate, for people.

/// What helps where nobody who has signed it is trusted.
const SIGNED: &str = "its certificate is signed by none that is trusted";

/// OpenSSL's words for the result of a verification, and what they mean.
const MEANINGS: [(&str, &str); 10] = [
    ("certificate has expired", "its certificate has expired; the server needs a new one"),
    ("certificate is not yet valid", "its certificate is not valid yet; is a clock wrong?"),
    ("hostname mismatch", "its certificate is for another name than the settings call it by"),
    ("address mismatch", "its certificate is for another name than the settings call it by"),
    // Another key than that of the authority of the same name.
    ("certificate signature failure", SIGNED),
    ("unable to get local issuer certificate", SIGNED),
    ("unable to get issuer certificate", SIGNED),
    ("unable to verify the first certificate", SIGNED),
    ("self-signed certificate", SIGNED),
    ("self signed certificate", SIGNED),
];

/// What is wrong with the certificate of a server, where OpenSSL's words say it.
pub(crate) fn explain(words: &str) -> Option<&'static str> {
    let words = words.to_ascii_lowercase();
    MEANINGS.iter().find(|(sign, _)| words.contains(sign)).map(|(_, meaning)| *meaning)
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
