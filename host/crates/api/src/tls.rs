//! TLS of the API: a certificate and its key from files, which are read again while the host runs, since certificates
//! are renewed. What was read last and made sense is shown until then.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use pelton_model::cause::Because as _;
use pelton_model::settings::Api;
use pelton_model::sync::lock;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::problem::{CONTENT_TYPE, Problem};
use crate::secret_file;
use crate::start_error::StartError;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(10);
/// Largest file.
const MOST_BYTES: u64 = 1 << 20;
/// The first byte of a handshake.
const HANDSHAKE: u8 = 22;

/// What the host shows of itself.
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    files: CertificateFiles,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
}

/// The text of both files.
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What was found in them: a digest, or what is wrong.
type Found = Result<[u8; 32], String>;

/// The certificate that is shown to clients.
#[derive(Debug)]
struct Shown(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&lock(&self.0)))
    }
}

impl Tls {
    /// Reads the files that the settings name; `None` where they name none.
    ///
    /// # Errors
    /// One is named without the other, can't be read, is not what it should be, or they don't belong together.
    pub fn new(settings: &Api) -> Result<Option<Self>, StartError> {
        Self::read(settings).because(StartError::Tls)
    }

    fn read(settings: &Api) -> Result<Option<Self>> {
        let (certificate, key) = match (&settings.tls_cert_file, &settings.tls_key_file) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (Some(_), None) => {
                bail!("api.tls_cert_file is set and api.tls_key_file is not; set both, or none for HTTP")
            }
            (None, Some(_)) => {
                bail!("api.tls_key_file is set and api.tls_cert_file is not; set both, or none for HTTP")
            }
        };
        let (files, provider) = (CertificateFiles { certificate, key }, Arc::new(ring::default_provider()));
        let certified = files.certified(&files.texts()?, &provider)?;
        let shown = Arc::new(Shown(Mutex::new(Arc::new(certified))));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("failed to set up TLS")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown, files }))
    }

    /// Begins TLS with a client.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.acceptor.accept(stream).await
    }

    /// Looks at the files every ten seconds, for ever, and shows what is new there.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        self.look(EVERY).await;
    }

    async fn look(self: Arc<Self>, every: Duration) {
        let mut last = None;
        loop {
            let tls = Arc::clone(&self);
            // Of a file system that hangs nothing new is shown.
            let looked = tokio::task::spawn_blocking(move || {
                tls.renew(&mut last);
                last
            });
            last = looked.await.unwrap_or_default();
            tokio::time::sleep(every).await;
        }
    }

    /// Shows what is in the files where it differs from the last look, and tells what is wrong with it once.
    fn renew(&self, last: &mut Option<Found>) {
        let texts = self.files.texts().map_err(|error| format!("{error:#}"));
        let found = texts.as_ref().map(Texts::digest).map_err(Clone::clone);
        if last.as_ref() == Some(&found) {
            return;
        }
        let provider = ring::default_provider();
        let certified = match &texts {
            Ok(texts) => self.files.certified(texts, &provider).map_err(|error| format!("{error:#}")),
            Err(error) => Err(error.clone()),
        };
        match certified {
            Ok(certified) => {
                let before = std::mem::replace(&mut *lock(&self.shown.0), Arc::new(certified));
                if before.cert != lock(&self.shown.0).cert {
                    tracing::info!("the API shows the new certificate in {}", self.files.certificate.display());
                }
            }
            Err(error) => tracing::error!("the certificate that was read before is shown further: {error}"),
        }
        *last = Some(found);
    }
}

impl Texts {
    fn digest(&self) -> [u8; 32] {
        let digest = Sha256::new().chain_update(self.certificate.len().to_be_bytes());
        digest.chain_update(&self.certificate).chain_update(&self.key).finalize().into()
    }
}

impl CertificateFiles {
    fn texts(&self) -> Result<Texts> {
        let read = |name: &str, path: &Path| -> Result<Vec<u8>> {
            let place = || format!("failed to read api.{name}, {}", path.display());
            let found = fs::metadata(path).with_context(place)?;
            ensure!(found.is_file() && found.len() <= MOST_BYTES, "api.{name}, {}, is no file of PEM", path.display());
            fs::read(path).with_context(place)
        };
        let certificate = read("tls_cert_file", &self.certificate)?;
        secret_file::check(&self.key)
            .with_context(|| format!("failed to read api.tls_key_file, {}", self.key.display()))?;
        Ok(Texts { certificate, key: read("tls_key_file", &self.key)? })
    }

    /// What both files say, if they belong together. Errors quote nothing of them.
    fn certified(&self, texts: &Texts, provider: &CryptoProvider) -> Result<CertifiedKey> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&texts.certificate)
            .collect::<Result<_, _>>()
            .ok()
            .with_context(|| format!("api.tls_cert_file, {certificate}, is not PEM"))?;
        ensure!(
            !chain.is_empty(),
            "api.tls_cert_file, {certificate}, has no certificate; it begins with -----BEGIN CERTIFICATE-----"
        );
        let private = PrivateKeyDer::from_pem_slice(&texts.key).ok().with_context(|| {
            format!(
                "api.tls_key_file, {key}, has no private key without a passphrase; it begins with \
                 -----BEGIN PRIVATE KEY-----"
            )
        })?;
        let private = provider.key_provider.load_private_key(private);
        let private = private.ok().with_context(|| {
            format!(
                "api.tls_key_file, {key}, has a key of a kind that is not known; RSA, ECDSA with P-256 or P-384, and \
                 Ed25519 are"
            )
        })?;
        let certified = CertifiedKey::new(chain, private);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => bail!(
                "the key in api.tls_key_file, {key}, is not that of the first certificate in api.tls_cert_file, \
                 {certificate}; the host's own certificate stands first, those above it follow"
            ),
            Err(_) => bail!("api.tls_cert_file, {certificate}, has a certificate that makes no sense"),
        }
    }
}

/// Whether a client speaks something else than TLS.
pub(crate) async fn is_plain(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first != [HANDSHAKE])
}

/// Tells a client that this port speaks TLS, so that nobody looks for a broken network.
pub(crate) async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    let problem = Problem::new(400, "not-tls", "the request is not taken", "this port speaks TLS, and it came without")
        .fix("call it with https://");
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    // What is not read of the request would make the kernel throw the answer away.
    let mut rest = [0; 1024];
    for _ in 0..64 {
        if tokio::io::AsyncReadExt::read(&mut stream, &mut rest).await? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use pelton_testkit::certificates::{Authority, Certificate};
    use tempfile::TempDir;

    use super::*;

    fn put(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn settings(folder: &TempDir, Certificate { certificate, key }: &Certificate) -> Api {
        let (certificate, key) = (put(folder, "tls.crt", certificate), put(folder, "tls.key", key));
        Api { tls_cert_file: Some(certificate), tls_key_file: Some(key), ..Api::default() }
    }

    fn shown(tls: &Tls) -> Vec<u8> {
        lock(&tls.shown.0).cert[0].to_vec()
    }

    #[test]
    fn what_can_not_be_shown_ends_the_start_and_says_what_to_do() {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let good = authority.sign(&["localhost"], 1);
        assert!(Tls::new(&Api::default()).unwrap().is_none());
        assert!(Tls::new(&settings(&folder, &good)).unwrap().is_some());
        let error = |settings: &Api| Tls::new(settings).unwrap_err().to_string();

        let one = Api { tls_key_file: None, ..settings(&folder, &good) };
        assert!(
            error(&one).contains("api.tls_cert_file is set and api.tls_key_file is not; set both"),
            "{}",
            error(&one)
        );
        let other = Api { tls_cert_file: None, ..settings(&folder, &good) };
        assert!(error(&other).contains("api.tls_key_file is set and api.tls_cert_file is not"), "{}", error(&other));
        let missing = Api { tls_cert_file: Some("/no/such.crt".into()), ..settings(&folder, &good) };
        assert!(error(&missing).contains("failed to read api.tls_cert_file, /no/such.crt"), "{}", error(&missing));
        let folder_instead = Api { tls_key_file: Some(folder.path().into()), ..settings(&folder, &good) };
        let told = error(&folder_instead);
        assert!(told.contains("api.tls_key_file"), "{told}");

        let text = |text: &str| text.to_owned();
        let mismatched = Certificate { key: authority.sign(&["localhost"], 1).key, ..good.clone() };
        for (wrong, words) in [
            (mismatched, "is not that of the first certificate"),
            (Certificate { certificate: good.key.clone(), ..good.clone() }, "has no certificate; it begins with"),
            (Certificate { certificate: text("junk"), ..good.clone() }, "tls.crt, has no certificate"),
            (Certificate { certificate: text("-----BEGIN CERTIFICATE-----\n!\n"), ..good.clone() }, "is not PEM"),
            (Certificate { key: good.certificate.clone(), ..good.clone() }, "tls.key, has no private key"),
            (Certificate { key: text(""), ..good.clone() }, "-----BEGIN PRIVATE KEY-----"),
        ] {
            let told = error(&settings(&folder, &wrong));
            assert!(told.contains(words), "{words}: {told}");
            assert!(!good.key.lines().any(|line| line.len() > 40 && told.contains(line)), "{told}");
        }
        let open = settings(&folder, &good);
        fs::set_permissions(open.tls_key_file.as_ref().unwrap(), fs::Permissions::from_mode(0o622)).unwrap();
        assert!(error(&open).contains("other accounts can write it (mode 622); chmod 600 it"), "{}", error(&open));
    }

    #[test]
    fn what_is_new_in_the_files_is_shown_and_what_makes_no_sense_is_not() {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let (first, second) = (authority.sign(&["localhost"], 1), authority.sign(&["localhost"], 2));
        let tls = Tls::new(&settings(&folder, &first)).unwrap().unwrap();
        let (before, mut last) = (shown(&tls), None);
        tls.renew(&mut last);
        assert_eq!(shown(&tls), before);
        // Half of a change: the certificate is there, its key not yet.
        put(&folder, "tls.crt", &second.certificate);
        tls.renew(&mut last);
        assert!(shown(&tls) == before && last.as_ref().unwrap().is_ok());
        fs::remove_file(folder.path().join("tls.key")).unwrap();
        tls.renew(&mut last);
        assert!(shown(&tls) == before && last.as_ref().unwrap().is_err());
        put(&folder, "tls.key", &second.key);
        tls.renew(&mut last);
        assert_ne!(shown(&tls), before);
        // A link that is turned, as Kubernetes does it, is a change as any other.
        let both = tempfile::tempdir().unwrap();
        for (name, certificate) in [("one", &first), ("two", &second)] {
            fs::create_dir(both.path().join(name)).unwrap();
            fs::write(both.path().join(name).join("tls.crt"), &certificate.certificate).unwrap();
            fs::write(both.path().join(name).join("tls.key"), &certificate.key).unwrap();
            fs::set_permissions(both.path().join(name).join("tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let turn = |to: &str| {
            std::os::unix::fs::symlink(to, both.path().join("next")).unwrap();
            fs::rename(both.path().join("next"), both.path().join("now")).unwrap();
        };
        turn("one");
        let (certificate, key) = (both.path().join("now/tls.crt"), both.path().join("now/tls.key"));
        let api = Api { tls_cert_file: Some(certificate), tls_key_file: Some(key), ..Api::default() };
        let tls = Tls::new(&api).unwrap().unwrap();
        let before = shown(&tls);
        turn("two");
        tls.renew(&mut None);
        assert_ne!(shown(&tls), before);
    }
}
