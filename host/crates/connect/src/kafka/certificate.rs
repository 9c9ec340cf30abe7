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

/// Whom a client trusts.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust {
    /// A file of certificates.
    file: Option<PathBuf>,
    /// The same as text.
    text: Option<String>,
}

impl Trust {
    /// As the settings of a client say.
    pub(super) fn of(config: &ClientConfig) -> Self {
        Self {
            file: config.get("ssl.ca.location").map(PathBuf::from),
            text: config.get("ssl.ca.pem").map(str::to_owned),
        }
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
