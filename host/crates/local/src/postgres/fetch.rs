//! Fetches Postgres as a 15 MB archive from Maven Central, once, into a cache folder.
//!
//! The archives' digests are pinned here, so it doesn't matter what lies on the way. A version appears in the cache
//! whole or not at all, also when several processes fetch it at the same time.
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
/// All archives are below 16 MB; nothing larger is read.
const LARGEST: u64 = 64 << 20;

/// A release, with its archives' digests.
struct Release {
    version: &'static str,
    x86_64: &'static str,
    aarch64: &'static str,
}

/// One of each major version, as newly made as both architectures have it.
const RELEASES: [Release; 5] = [
    Release {
        version: "14.23.0",
        x86_64: "d041b87dd72016f2baf93bca54e91d3c85c2b8132bbf86ad82056d6b24b353ce",
        aarch64: "a55b93f67051a602be033b298461709f88789dccee925236f2fb5a4eaf9dd526",
    },
    Release {
        version: "15.19.0",
        x86_64: "95f0b66fe72d4ca66c815773c44cb1196ea38552463e89a35f18114b3ed1565f",
        aarch64: "95baf4bd4af31b91b3050118df59388ed0064756b556b850669e0300aa7b9911",
    },
    Release {
        version: "16.15.0",
        x86_64: "653abc065c682b85d3da50168fb95dc524bd85426cdec9ce3695a550ef431df2",
        aarch64: "f846a9989d686b7977d6eca9bc9d8b2b69e3f70c7eb60e032197d9c574a6136c",
    },
    Release {
        version: "17.11.0",
        x86_64: "0dd7b72b6f335b8ecfb355fa24c5781e8a93edd09880bb77eb52ebbf29b3e96d",
        aarch64: "8b042e0ea418b1927d95399207950da0734d27fe01e29503ade3bdc464ad4c2b",
    },
    Release {
        version: "18.6.0",
        x86_64: "008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1",
        aarch64: "5f54e016723afa6213925a8acb939bac52944b1d348f65c7a20f0cd2928c31be",
    },
];

/// A release for one architecture.
struct Archive {
    version: &'static str,
    /// How Maven Central calls the architecture.
    suffix: &'static str,
    sha256: &'static str,
}

impl Archive {
    /// That of a major version, for this machine.
    fn of(major: u32) -> Result<Self> {
        let prefix = format!("{major}.");
        let release = RELEASES.iter().find(|release| release.version.starts_with(&prefix));
        let release = release.with_context(|| format!("no release of PostgreSQL {major} is known"))?;
        let (suffix, sha256) = match std::env::consts::ARCH {
            "x86_64" if cfg!(target_os = "linux") => ("amd64", release.x86_64),
            "aarch64" if cfg!(target_os = "linux") => ("arm64v8", release.aarch64),
            other => bail!("there is no archive for {} on {other}", std::env::consts::OS),
        };
        Ok(Self { version: release.version, suffix, sha256 })
    }
}

/// The folder of the pinned release of a major version, with `bin`, `lib` and `share`; fetched first if it isn't in the
/// cache yet.
pub(super) fn fetch(major: u32, cache: Option<&Path>, account: &Account) -> Result<PathBuf> {
    let archive = Archive::of(major)?;
    let cache = match cache {
        Some(cache) => cache.to_owned(),
        None => default_cache(account)?,
    };
    let target = cache.join(format!("postgres-{}-{}", archive.version, archive.suffix));
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
    unpack(download(&archive, &cache)?, unpacked.path())?;
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
    let version = archive.version;
    let url = format!("{REPOSITORY}/{name}/{version}/{name}-{version}.jar");
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
    let progress = progress_bar(version, body.content_length());
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
fn progress_bar(version: &str, length: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::new(length.unwrap_or(0)).with_message(format!("fetching PostgreSQL {version}"));
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
