//! A host as a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::eventually::eventually;

/// Runs `pelton`, which is this program, without the variables of benchmarks, which it would refuse as unknown
/// settings.
pub fn pelton(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PELTON_BENCH_")) {
        command.env_remove(name);
    }
    command
}

/// `pelton run`; dropping it kills it.
#[derive(Debug)]
pub struct HostProcess {
    process: Child,
    folder: tempfile::TempDir,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
}

impl HostProcess {
    /// Runs the program `pelton` with these arguments, and no other variables than these, in a folder of its own; waits
    /// until it answers.
    pub fn start(program: impl AsRef<Path>, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        let process = Command::new(program.as_ref())
            .args(["run", "--listen", &listen])
            .args(arguments)
            // A benchmark's own variables are no settings of a host.
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(folder.path())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://{listen}");
        let agent = ureq::Agent::config_builder().proxy(None).build().new_agent();
        eventually(Duration::from_secs(60), "the host answers", || {
            agent.get(format!("{url}/livez")).call().ok().map(drop)
        });
        Self { process, folder, url }
    }

    /// The folder in which the host looks for jobs, made where needed.
    pub fn usr_jobs(&self) -> PathBuf {
        let folder = self.folder.path().join("usr_jobs");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Memory that is not backed by files, KiB.
    pub fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        anonymous.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// CPU time so far, seconds.
    pub fn cpu(&self) -> f64 {
        tree::cpu(self.process.id()).unwrap()
    }
}

/// Processes with all that they have started.
pub mod tree {
    use std::fs;

    /// The fields of proc_pid_stat(5) from the third on.
    fn stat(process: u32) -> Option<Vec<String>> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
    }

    /// A process, its children, and theirs.
    pub fn of(process: u32) -> Vec<u32> {
        let all = || fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let parents: Vec<(u32, u32)> =
            all().filter_map(|one: u32| Some((one, stat(one)?.get(1)?.parse().ok()?))).collect();
        let mut found = vec![process];
        let mut at = 0;
        while let Some(&parent) = found.get(at) {
            found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(one, _)| *one));
            at += 1;
        }
        found
    }

    /// Whether a process has ended, waited for or not.
    pub fn has_ended(process: u32) -> bool {
        stat(process).is_none_or(|stat| stat.first().is_some_and(|state| state == "Z"))
    }

    /// CPU time of a process so far, seconds; nothing where it is gone.
    pub fn cpu(process: u32) -> Option<f64> {
        let stat = stat(process)?;
        let ticks = |field: usize| stat.get(field)?.parse::<f64>().ok();
        // Fields 14 and 15, in ticks of 1/100 s.
        Some((ticks(11)? + ticks(12)?) / 100.0)
    }

    /// Most memory of a process so far, MiB; nothing where it is gone.
    pub fn peak_mib(process: u32) -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(peak.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
