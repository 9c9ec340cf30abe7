//! Servers that can't outlive this process.
//!
//! A leashed server is started by a small shell that watches a pipe from this process. However this process ends, by a
//! return, a panic or `kill -9`, the kernel closes its end of the pipe, and the shell then ends the server and removes
//! its folder. The server is in a process group of its own, so a Ctrl-C in the terminal doesn't reach it: it goes
//! when its owner says so, after whoever still writes to it has finished.
//!
//! Why not `PR_SET_PDEATHSIG`, or a crate around process groups: the former goes by the thread that started the server
//! and is Linux's alone, the latter do nothing after a `kill -9` of this process, and none removes a folder.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pelton_model::cause::Because as _;

use crate::error::Error;

/// `$1` is the signal that asks the server to end, `$2` the folder to remove after this process is gone; the server's
/// own command follows. The first line on stdout is the server's process id. The server's exit status is the shell's.
const SHELL: &str = r#"
signal=$1 folder=$2
shift 2
exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!
{
    read -r _ <&3
    trap '' TERM
    PATH=${PATH:-}:/usr/bin:/bin
    kill -s "$signal" "$server"
    kill -s CONT "$server"
    tries=0
    while kill -0 "$server"; do
        tries=$((tries + 1))
        [ "$tries" -ne 50 ] || kill -s KILL "$server"
        sleep 0.2
    done
    rm -rf "$folder"
} >/dev/null 2>&1 &
watcher=$!
exec 3<&-
echo "$server"
wait "$server"
status=$?
kill -s TERM "$watcher" 2>/dev/null
exit "$status"
"#;

/// How often a wait looks again.
const POLL: Duration = Duration::from_millis(20);

/// A running server that ends with this process at the latest.
#[derive(Debug)]
pub struct Leash {
    /// Its stdin is the pipe that the shell watches.
    shell: Child,
    server: Pid,
}

/// A command to which the caller adds the server's program and arguments, then [`Leash::spawn`]s it.
///
/// The server's output is appended to `log`. If this process is gone before the server, the server gets `signal`, ten
/// seconds later SIGKILL, and `folder` is removed.
pub fn command(signal: Signal, folder: &Path, log: &Path) -> Result<Command, Error> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("failed to open the log {}", log.display()))
        .because(Error::Folder)?;
    let name = signal.as_str();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", SHELL, "sh", name.strip_prefix("SIG").unwrap_or(name)])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(0);
    Ok(command)
}

impl Leash {
    /// Starts what [`command`] made, once the caller has added the program and its arguments.
    pub fn spawn(command: &mut Command) -> Result<Self, Error> {
        Self::start(command).because(Error::Process)
    }

    fn start(command: &mut Command) -> Result<Self> {
        let mut shell = command.spawn().context("failed to start /bin/sh")?;
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("failed to read from /bin/sh")?;
        }
        match line.trim().parse() {
            Ok(pid) => Ok(Self { shell, server: Pid::from_raw(pid) }),
            Err(_) => {
                drop(shell.stdin.take());
                let status = shell.wait().context("failed to wait for /bin/sh")?;
                bail!("/bin/sh did not start the server: {status}")
            }
        }
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.server.as_raw().unsigned_abs()
    }

    /// Sends a signal to the server, if it still runs.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if self.exited()?.is_some() {
            return Ok(());
        }
        // The shell is alive, so the server has not been waited for and its process id is not another's yet.
        kill(self.server, signal)
            .with_context(|| format!("failed to send {signal} to process {}", self.server))
            .because(Error::Process)
    }

    /// How the server ended, or `None` while it runs. An end by signal N is exit code 128 + N, as shells say it.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.shell.try_wait().context("failed to wait for /bin/sh").because(Error::Process)
    }

    /// Waits until the server has ended or `patience` is over (`None`).
    pub fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>, Error> {
        let deadline = Instant::now() + patience;
        loop {
            let exited = self.exited()?;
            if exited.is_some() || Instant::now() >= deadline {
                return Ok(exited);
            }
            sleep(POLL);
        }
    }

    /// Ends the server: sends each signal in turn and gives it its time, then SIGKILL.
    pub fn end(&mut self, steps: &[(Signal, Duration)]) -> Result<ExitStatus, Error> {
        for &(signal, patience) in steps.iter().chain(&[(Signal::SIGKILL, Duration::from_secs(10))]) {
            self.signal(signal)?;
            if let Some(status) = self.wait(patience)? {
                return Ok(status);
            }
        }
        Err(Error::Process(format!("process {} did not end within 10 s of SIGKILL", self.server).into()))
    }
}

impl Drop for Leash {
    /// Whoever wants a clean end calls [`end`](Self::end); this only makes sure that there is one.
    fn drop(&mut self) {
        if let Err(error) = self.end(&[]) {
            tracing::warn!(server.pid = self.pid(), "failed to end a server: {error:#}");
        }
    }
}
