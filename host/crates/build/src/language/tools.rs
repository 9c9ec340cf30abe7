//! The tools of other languages: found on the search path or among those that `pelton build --install` keeps in the
//! cache folder, in exactly the version that the SDKs are tested with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use pelton_model::files::cache_folder;

/// How long a tool may be silent.
const STILL: Duration = Duration::from_secs(5);

/// Where tools are kept, and whether missing ones may be fetched.
pub(super) struct Tools {
    folder: PathBuf,
    install: bool,
}

impl Tools {
    pub(super) fn new(install: bool) -> Result<Self> {
        Ok(Self { folder: cache_folder()?.join("tools"), install })
    }

    /// Where they are kept.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder with the programs of a package of PyPI, in an environment of its own; nothing where it is not
    /// installed and may not be.
    ///
    /// # Errors
    /// Installing it failed.
    pub(super) fn pypi(&self, package: &str, version: &str) -> Result<Option<PathBuf>> {
        let environment = self.folder.join(format!("{package}-{version}"));
        let done = environment.join("installed");
        if !done.is_file() {
            if !self.install {
                return Ok(None);
            }
            ensure!(
                is_there("python3"),
                "python3 is not installed; install Python 3.9 or later (https://python.org, or \
                 `apt-get install python3 python3-venv`)"
            );
            tracing::info!("installing {package} {version} from PyPI into {}", environment.display());
            run(Command::new("python3").args(["-m", "venv"]).arg(&environment))
                .context("failed to make a virtual environment (on Debian `apt-get install python3-venv`)")?;
            let requirement = format!("{package}=={version}");
            run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", &requirement]))
                .with_context(|| format!("failed to install {requirement}"))?;
            std::fs::write(&done, "").with_context(|| format!("failed to write {}", done.display()))?;
        }
        Ok(Some(environment.join("bin")))
    }
}

/// Whether a program can be started.
pub(super) fn is_there(program: impl AsRef<std::ffi::OsStr>) -> bool {
    answer(Command::new(program).arg("--version")).is_some()
}

/// What a command prints, without blanks around it; nothing where it can't be started or fails.
pub(super) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Runs a command; what it prints goes to standard error, for standard output is the list of what was built.
///
/// # Errors
/// It can't be started, or it fails.
pub(super) fn run(command: &mut Command) -> Result<()> {
    run_while(command, |_| {})
}

/// The same for one that says nothing for long: every [`STILL`] it is said for how long it has been making this.
pub(super) fn run_long(command: &mut Command, what: &str) -> Result<()> {
    run_while(command, |elapsed| tracing::info!("making {what}: {} s so far", elapsed.as_secs()))
}

fn run_while(command: &mut Command, tell: impl Fn(Duration) + Send) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let started = Instant::now();
    let mut running = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .spawn()
        .with_context(|| format!("failed to start {program}"))?;
    let (ended, wait) = std::sync::mpsc::channel::<()>();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // Until the other end is gone.
            while wait.recv_timeout(STILL) == Err(RecvTimeoutError::Timeout) {
                tell(started.elapsed());
            }
        });
        let output = running.wait();
        drop(ended);
        output
    });
    let output = output.with_context(|| format!("failed to wait for {program}"))?;
    if !output.success() {
        bail!("{program} failed ({output}); its messages are above");
    }
    Ok(())
}
