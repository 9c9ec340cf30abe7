//! Fetches Postgres as a 15 MB archive from Maven Central, once, into a cache folder.
//!
//! The archive's digest is pinned here, so it doesn't matter what lies on the way. A version appears in the cache whole
//! or not at all, also when several processes fetch it at the same time.
//!
//! Why not postgresql_embedded: it brings reqwest and sqlx, trusts the digest that lies beside the archive, and has no
//! way to run the server as another user, without which root has no Postgres.

use std::fs::{self, File, Permissions};
use std::io::{BufReader, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use pelton_model::files;
use sha2::{Digest, Sha256};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use super::account::Account;

const REPOSITORY: &str = "https://repo.maven.apache.org/maven2/io/zonky/test/postgres";
const VERSION: &str = "16.15.0";
/// Both archives are below 15 MB; nothing larger is read.
const LARGEST: u64 = 64 << 20;

/// The archive for one architecture.
struct Archive {
    /// What `std::env::consts::ARCH` says.
    architecture: &'static str,
    /// How Maven Central calls it.
    suffix: &'static str,
    sha256: &'static str,
}

const ARCHIVES: [Archive; 2] = [
    Archive {
        architecture: "x86_64",
        suffix: "amd64",
        sha256: "653abc065c682b85d3da50168fb95dc524bd85426cdec9ce3695a550ef431df2",
    },
    Archive {
        architecture: "aarch64",
        suffix: "arm64v8",
        sha256: "f846a9989d686b7977d6eca9bc9d8b2b69e3f70c7eb60e032197d9c574a6136c",
    },
];

/// The folder of the pinned version, with `bin`, `lib` and `share`; fetched first if it isn't in the cache yet.
pub(super) fn fetch(cache: Option<&Path>, account: &Account) -> Result<PathBuf> {
    let archive = ARCHIVES
        .iter()
        .find(|archive| cfg!(target_os = "linux") && archive.architecture == std::env::consts::ARCH)
        .with_context(|| format!("there is no archive for {} on {}", std::env::consts::OS, std::env::consts::ARCH))?;
    let cache = match cache {
        Some(cache) => cache.to_owned(),
        None => default_cache(account)?,
    };
    let target = cache.join(format!("postgres-{VERSION}-{}", archive.suffix));
    if target.is_dir() {
        return Ok(target);
    }
    fs::create_dir_all(&cache).with_context(|| format!("failed to make the folder {}", cache.display()))?;
    if account.is_other() {
        open_to_all(&cache)?;
    }
    let unpacked = tempfile::Builder::new()
        .prefix(".postgres-")
        .tempdir_in(&cache)
        .with_context(|| format!("failed to make a folder in {}", cache.display()))?;
    unpack(download(archive, &cache)?, unpacked.path())?;
    open_to_all(unpacked.path())?;
    match fs::rename(unpacked.path(), &target) {
        Ok(()) => {
            // It has moved: there is nothing to remove any more.
            let _moved = unpacked.keep();
            Ok(target)
        }
        // Another process was faster.
        Err(_) if target.is_dir() => Ok(target),
        Err(error) => Err(error).with_context(|| format!("failed to rename a folder to {}", target.display())),
    }
}

/// For root it's a folder that the server's own user can enter, which root's home is not.
fn default_cache(account: &Account) -> Result<PathBuf> {
    if account.is_other() {
        return Ok(PathBuf::from("/var/cache/pelton"));
    }
    Ok(files::cache_folder()?)
}

/// Whatever our umask says, the server's own user must be able to enter.
fn open_to_all(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))
        .with_context(|| format!("failed to set the permissions of {}", folder.display()))
}

/// The archive as an unnamed file in `folder`, its digest checked.
fn download(archive: &Archive, folder: &Path) -> Result<File> {
    let name = format!("embedded-postgres-binaries-linux-{}", archive.suffix);
    let url = format!("{REPOSITORY}/{name}/{VERSION}/{name}-{VERSION}.jar");
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .build()
        .new_agent();
    let response = agent.get(&url).call().with_context(|| format!("failed to get {url}"))?;
    let mut body = response.into_body();
    let progress = progress_bar(body.content_length());
    let mut reader = progress.wrap_read(body.as_reader().take(LARGEST));
    let mut file =
        tempfile::tempfile_in(folder).with_context(|| format!("failed to make a file in {}", folder.display()))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut buffer).with_context(|| format!("failed to read {url}"))?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        digest.update(bytes);
        file.write_all(bytes).with_context(|| format!("failed to write a file in {}", folder.display()))?;
    }
    progress.finish_and_clear();
    let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(found == archive.sha256, "{url} has the digest {found}, not {}: it was changed on the way", archive.sha256);
    Ok(file)
}

/// On stderr, and only where that is a terminal.
fn progress_bar(length: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::new(length.unwrap_or(0)).with_message(format!("fetching PostgreSQL {VERSION}"));
    match ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The jar is a zip that holds one `.txz`.
fn unpack(mut jar: File, target: &Path) -> Result<()> {
    jar.rewind().context("failed to rewind the archive")?;
    let mut jar = zip::ZipArchive::new(BufReader::new(jar)).context("failed to read the archive")?;
    for index in 0..jar.len() {
        let entry = jar.by_index(index).context("failed to read the archive")?;
        if entry.name().context("failed to read the archive")?.ends_with(".txz") {
            let mut files = tar::Archive::new(liblzma::read::XzDecoder::new(entry));
            // Else our umask would keep the server's own user out.
            files.set_preserve_permissions(true);
            return files.unpack(target).with_context(|| format!("failed to unpack to {}", target.display()));
        }
    }
    bail!("the archive holds no .txz")
}
