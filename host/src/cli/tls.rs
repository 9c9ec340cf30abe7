//! TLS with a host: whom a client believes that it is the host, and what went wrong where it does not.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use pelton_connect::CertificateFault;
use pelton_model::regular::{self, TEXT_BYTES};
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// Trusts the authorities in a file of PEM and no others; without one, those that the system trusts.
pub(super) fn config(authorities: Option<&Path>) -> Result<TlsConfig> {
    let roots = match authorities {
        None => RootCerts::PlatformVerifier,
        Some(file) => {
            let pem = regular::read(file, TEXT_BYTES)
                .with_context(|| format!("failed to read PELTON_API_CA, {}", file.display()))?;
            let found = parse_pem(&pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let found: Vec<_> = found.collect();
            ensure!(
                !found.is_empty(),
                "PELTON_API_CA, {}, has no certificate; it begins with -----BEGIN CERTIFICATE-----",
                file.display()
            );
            RootCerts::new_with_certs(&found)
        }
    };
    Ok(TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build())
}

/// Why a client and the host at `api` can't talk by TLS, and what to do; `None` where it is about something else.
pub(super) fn explain(api: &str, error: &ureq::Error) -> Option<String> {
    let ureq::Error::NativeTls(error) = error else { return None };
    let words = error.to_string();
    let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
    // macOS has words of its own.
    let untrusted = || says(&["not trusted"]).then_some(CertificateFault::Untrusted);
    let why = match CertificateFault::of(&words).or_else(untrusted) {
        Some(CertificateFault::OtherName) => {
            "its certificate is of another name; call it by a name that stands in the certificate"
        }
        Some(CertificateFault::Expired) => "its certificate has expired; renew it at the host, in api.tls_cert_file",
        Some(CertificateFault::NotYetValid) => "its certificate is not valid yet; look at the clocks of both machines",
        Some(CertificateFault::Untrusted) => {
            "its certificate is of an authority that is not trusted here; name a file with the authority's certificate \
             by PELTON_API_CA or --api-ca"
        }
        None if says(&["wrong version number", "record layer", "packet length"]) => {
            "it does not speak TLS; call it with http://"
        }
        None => "TLS with it fails; look at api.tls_cert_file of the host",
    };
    Some(format!("the host at {api} is not talked to: {why}"))
}
