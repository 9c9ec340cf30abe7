//! Settings of the API: who may call it, and how much a caller may take.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// Who may call the API, and how much a caller may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// The token of those who may do everything.
    pub token: Option<Secret>,
    /// A file with it, in its place.
    pub token_file: Option<PathBuf>,
    /// The token of those who may only look.
    pub read_token: Option<Secret>,
    /// A file with it, in its place.
    pub read_token_file: Option<PathBuf>,
    /// Names under which the host is reached, beside `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Whoever runs the host vouches that its port is reached from loopback only, although it listens elsewhere.
    pub behind_loopback: bool,
    /// The file with the certificate that the API shows, PEM, with those above it; with it the API speaks TLS only.
    pub tls_cert_file: Option<PathBuf>,
    /// The file with its key, PEM.
    pub tls_key_file: Option<PathBuf>,
    /// How long a client may take for the handshake of TLS, again to send the head of a request, and again for a JSON
    /// body.
    #[serde(with = "crate::durations")]
    pub read_time: Duration,
    /// How long a client may leave an answer unread.
    #[serde(with = "crate::durations")]
    pub write_time: Duration,
    /// Requests with a wrong token that are answered in a minute for each address.
    pub failed_tokens: usize,
    /// How long a client may take to send a component.
    #[serde(with = "crate::durations")]
    pub upload_time: Duration,
    /// Largest component, MiB.
    pub upload_mib: usize,
    /// Uploads that are taken at once; others wait.
    pub uploads: usize,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            read_token: None,
            read_token_file: None,
            hosts: Vec::new(),
            behind_loopback: false,
            tls_cert_file: None,
            tls_key_file: None,
            read_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            failed_tokens: 20,
            upload_time: Duration::from_secs(300),
            // The largest components known, of Python, have some 20 MB.
            upload_mib: 256,
            uploads: 4,
        }
    }
}
