//! Why the certificate of a broker is refused.
//!
//! Librdkafka says only that it could not be verified, and means by that whatever is wrong with it. So it is looked at
//! once more, with the same certificates trusted, and the words of OpenSSL are taken.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use native_tls::{Certificate, HandshakeError, TlsConnector};
use rdkafka::ClientConfig;

use crate::certificates::explain;

/// How long each step of the look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a client has a certificate of its own.
const OWN: [&str; 3] = ["ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location"];
/// The alerts with which a broker refuses that of a client, or that there is none.
const ALERTS: [&str; 6] = [
    "alert bad certificate",
    "alert certificate required",
    "alert certificate unknown",
    "alert certificate expired",
    "alert unsupported certificate",
    "alert unknown ca",
];

/// Whom a client trusts.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust {
    /// A file of certificates.
    file: Option<PathBuf>,
    /// The same as text.
    text: Option<String>,
    /// Whether the client has a certificate of its own.
    has_own: bool,
}

impl Trust {
    /// As the settings of a client say.
    pub(super) fn of(config: &ClientConfig) -> Self {
        Self {
            file: config.get("ssl.ca.location").map(PathBuf::from),
            text: config.get("ssl.ca.pem").map(str::to_owned),
            has_own: OWN.iter().any(|key| config.get(key).is_some()),
        }
    }

    /// What a broker means that ends a connection with an alert.
    pub(super) fn refused(&self, reason: &str) -> Option<&'static str> {
        let is_alert = ALERTS.iter().any(|alert| reason.contains(alert));
        is_alert.then_some(if self.has_own {
            "the broker does not take the certificate of this client (ssl.certificate.location): it has expired, or is \
             signed by none that the broker trusts"
        } else {
            "the broker asks for a certificate of the client: set ssl.certificate.location and ssl.key.location"
        })
    }

    /// What is wrong with the certificate of the broker at `host:port`, where that can be told. Blocks.
    pub(super) fn look(&self, address: &str) -> Option<&'static str> {
        let (host, _) = address.rsplit_once(':')?;
        let socket =
            address.to_socket_addrs().ok()?.find_map(|place| TcpStream::connect_timeout(&place, PATIENCE).ok())?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        socket.set_write_timeout(Some(PATIENCE)).ok()?;
        match self.connector()?.connect(host.trim_matches(['[', ']']), socket) {
            Err(HandshakeError::Failure(error)) => explain(&error.to_string()),
            _ => None,
        }
    }

    fn connector(&self) -> Option<TlsConnector> {
        let mut builder = TlsConnector::builder();
        let of_file = self.file.as_ref().and_then(|file| std::fs::read(file).ok());
        if let Some(pem) = self.text.clone().map(String::into_bytes).or(of_file) {
            builder.disable_built_in_roots(true);
            for certificate in Certificate::stack_from_pem(&pem).ok()? {
                builder.add_root_certificate(certificate);
            }
        }
        builder.build().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_of_a_broker_is_about_the_certificate_of_the_client() {
        let alert = "Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42";
        let mut config = ClientConfig::new();
        assert!(Trust::of(&config).refused(alert).unwrap().contains("asks for a certificate of the client"));
        config.set("ssl.certificate.location", "client.pem");
        assert!(Trust::of(&config).refused(alert).unwrap().contains("does not take the certificate of this client"));
        assert_eq!(Trust::of(&config).refused("Disconnected"), None);
    }
}
