//! Certificates as files, for servers and clients that read them from there.

use std::fs;
use std::path::{Path, PathBuf};

use pelton_testkit::certificates::Authority;

/// An authority whose own certificate is a file.
#[derive(Debug)]
pub(crate) struct Signer {
    authority: Authority,
    folder: PathBuf,
    name: &'static str,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file, the key first.
    pub(crate) both: PathBuf,
}

impl Signer {
    pub(crate) fn new(folder: &Path, name: &'static str) -> Self {
        let this = Self { authority: Authority::new(), folder: folder.to_owned(), name };
        fs::write(this.certificate(), this.authority.pem()).unwrap();
        this
    }

    /// What those trust who trust all that it has signed.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// Signs a certificate of this name or address, which is valid for so many days, or expired before so many.
    pub(crate) fn issue(&self, file: &str, name: &str, days: i64) -> Issued {
        let signed = self.authority.sign(&[name], days);
        let write = |end: &str, text: &str| {
            let place = self.folder.join(format!("{}-{file}.{end}", self.name));
            fs::write(&place, text).unwrap();
            place
        };
        Issued {
            certificate: write("pem", &signed.certificate),
            key: write("key", &signed.key),
            both: write("both.pem", &(signed.key.clone() + &signed.certificate)),
        }
    }
}
