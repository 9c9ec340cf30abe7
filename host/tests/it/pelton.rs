//! The real `pelton` binary, run as its users run it: `pelton run` in the background, and client commands against it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use pelton_local::leash::{self, Leash};
use pelton_testkit::certificates::{Authority, Certificate};
use serde_json::Value;
use tempfile::TempDir;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

pub(crate) use pelton_testkit::files::example;

use crate::eventually::eventually;

/// For a host to answer after its start, and for a client command to end.
const PATIENCE: Duration = Duration::from_secs(180);

/// A host with folders of its own. It is on a leash, so it ends with the test; when the test panics, its log is
/// printed.
#[derive(Debug)]
pub(crate) struct Host {
    // Fields drop in this order: the process goes before its folder.
    process: Option<Leash>,
    folder: TempDir,
    port: u16,
    flags: Vec<(String, OsString)>,
    environment: Vec<(OsString, OsString)>,
    /// The authority of its certificate, PEM, where it speaks TLS.
    authority: Option<String>,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code, -1 where a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Host {
    /// A host that will use these servers, with empty `usr_jobs` and data folders. It isn't started yet.
    pub(crate) fn new(kafka: &str, postgres: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("pelton-host-").tempdir().unwrap();
        fs::create_dir(folder.path().join("usr_jobs")).unwrap();
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let host = Self { process: None, folder, port, flags: Vec::new(), environment: Vec::new(), authority: None };
        let (usr_jobs, data, cache) = (host.usr_jobs(), host.data(), host.folder.path().join("cache"));
        // Other tests' commands compile the same components: a host is not to know those.
        let host = host.env("XDG_CACHE_HOME", cache);
        host.flag("--kafka", kafka)
            .flag("--postgres", postgres)
            .flag("--usr-jobs", usr_jobs)
            .flag("--data", data)
            .flag("--listen", format!("127.0.0.1:{port}"))
    }

    /// Sets a flag of `pelton run` to a value, in place of the one that it had.
    pub(crate) fn flag(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.flags.retain(|(found, _)| found != name);
        self.flags.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes away a flag that every host has.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.flags.retain(|(found, _)| found != name);
        self
    }

    /// Sets an environment variable. Apart from `PATH` and `HOME` a host sees nothing of the tests' own environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((OsString::from(name), value.as_ref().to_owned()));
        self
    }

    /// Lets it speak TLS with this certificate, which its own clients trust by that authority.
    pub(crate) fn secure(mut self, certificate: &Certificate, authority: &Authority) -> Self {
        self.renew(certificate);
        self.authority = Some(authority.pem());
        fs::write(self.authority_file(), authority.pem()).unwrap();
        let (certificate, key) = (self.folder.path().join("tls.crt"), self.folder.path().join("tls.key"));
        self.env("PELTON_API__TLS_CERT_FILE", certificate).env("PELTON_API__TLS_KEY_FILE", key)
    }

    /// Puts another certificate in the place of the one that it speaks TLS with.
    pub(crate) fn renew(&self, certificate: &Certificate) {
        for (name, text) in [("tls.crt", &certificate.certificate), ("tls.key", &certificate.key)] {
            let draft = self.folder.path().join("draft");
            fs::write(&draft, text).unwrap();
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(draft, self.folder.path().join(name)).unwrap();
        }
    }

    /// The file with the authority of its certificate.
    pub(crate) fn authority_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Adds a config file of this content.
    pub(crate) fn config(self, toml: &str) -> Self {
        let path = self.folder.path().join("pelton.toml");
        fs::write(&path, toml).unwrap();
        self.flag("--config", path)
    }

    /// The folder in which the host looks for jobs.
    pub(crate) fn usr_jobs(&self) -> PathBuf {
        self.folder.path().join("usr_jobs")
    }

    /// The host's own folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Drops a component into the `usr_jobs` folder, whole or not at all, as the README tells users to.
    pub(crate) fn drop_job(&self, name: &str, component: &[u8]) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, component).unwrap();
        fs::rename(draft, self.usr_jobs().join(format!("{name}.wasm"))).unwrap();
    }

    /// Starts the host, or starts it again on the same data and port, and waits until it is alive.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        self.spawn();
        let what = format!("the host is alive on port {}", self.port);
        eventually(PATIENCE, &what, || {
            let ended = self.process.as_mut().and_then(|process| process.exited().unwrap());
            assert_eq!(ended, None, "the host ended while starting");
            (self.agent().get(format!("{}/livez", self.url())).call().ok()?.status() == 200).then_some(())
        });
    }

    /// Starts the host, and waits until it says that it listens: for one whose certificate is none that a client takes.
    #[track_caller]
    pub(crate) fn start_without_looking(&mut self) {
        self.spawn();
        eventually(PATIENCE, "the host listens", || self.log().contains("Pelton listens").then_some(()));
    }

    /// Calls the host by an agent that trusts it.
    pub(crate) fn call<T>(&self, call: impl FnOnce(ureq::Agent) -> T) -> T {
        call(self.agent())
    }

    /// Starts a host that is to give up at once, and returns its exit code and log.
    #[track_caller]
    pub(crate) fn start_in_vain(&mut self) -> (i32, String) {
        self.spawn();
        let code = self.exit_code(PATIENCE);
        (code, self.log())
    }

    /// Waits until `/readyz` says 200.
    #[track_caller]
    pub(crate) fn wait_until_ready(&self) {
        eventually(PATIENCE, "the host is ready", || (self.get("/readyz").0 == 200).then_some(()));
    }

    /// The host's process id.
    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("the host is not running").pid()
    }

    /// Sends a signal, such as `SIGINT` for a Ctrl-C.
    #[track_caller]
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process.as_mut().expect("the host is not running").signal(signal).unwrap();
    }

    /// Ends the host as a power cut would end it.
    #[track_caller]
    pub(crate) fn kill9(&mut self) {
        self.signal(Signal::SIGKILL);
        assert_eq!(self.exit_code(PATIENCE), 128 + Signal::SIGKILL as i32);
    }

    /// Asks the host to drain and end, and returns its exit code; panics if it takes longer than `patience`.
    #[track_caller]
    pub(crate) fn sigterm(&mut self, patience: Duration) -> i32 {
        self.signal(Signal::SIGTERM);
        self.exit_code(patience)
    }

    /// Waits for the end of the host. An end by signal N is 128 + N.
    #[track_caller]
    pub(crate) fn exit_code(&mut self, patience: Duration) -> i32 {
        let process = self.process.as_mut().expect("the host is not running");
        let status = process.wait(patience).unwrap();
        let status = status.unwrap_or_else(|| panic!("the host did not end within {patience:?}"));
        self.process = None;
        status.code().unwrap_or(-1)
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT`, or `https:` where it speaks TLS.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// GETs a path such as `/api/v1/jobs`: the status and the body as JSON, or as a JSON string where it isn't JSON.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        read("get", path, self.agent().get(format!("{}{path}", self.url())).call())
    }

    /// POSTs a JSON body.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read("post", path, self.agent().post(format!("{}{path}", self.url())).send_json(body))
    }

    /// Uploads a component.
    #[track_caller]
    pub(crate) fn upload(&self, component: &[u8]) -> (u16, Value) {
        let path = "/api/v1/components";
        let request = self.agent().post(format!("{}{path}", self.url())).content_type("application/wasm");
        read("post", path, request.send(component))
    }

    /// DELETEs.
    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> (u16, Value) {
        read("delete", path, self.agent().delete(format!("{}{path}", self.url())).call())
    }

    /// The sum of a metric's samples that have all these labels, or `None` where there are none.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!(",{label}=\"{value}\"")).collect();
        let samples = text.as_str().unwrap().lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, found_labels) = series.split_once('{').unwrap_or((series, ""));
            let found_labels = format!(",{found_labels}");
            let wanted = found == name && labels.iter().all(|label| found_labels.contains(label));
            wanted.then(|| value.parse::<f64>().unwrap())
        });
        samples.fold(None, |sum, sample| Some(sum.unwrap_or(0.0) + sample))
    }

    /// Runs a client command against this host.
    #[track_caller]
    pub(crate) fn cli<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Said {
        let mut environment = vec![("PELTON_API", self.url())];
        environment
            .extend(self.authority.iter().map(|_| ("PELTON_API_CA", self.authority_file().display().to_string())));
        let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        pelton(arguments, &environment)
    }

    /// Submits a component or an available job, to read from the earliest record; panics if that is refused.
    #[track_caller]
    pub(crate) fn submit(&self, job: impl AsRef<OsStr>, flags: &[&str]) {
        let mut arguments = vec![OsStr::new("submit"), job.as_ref()];
        arguments.extend(["--from", "earliest"].iter().chain(flags).map(OsStr::new));
        let said = self.cli(&arguments);
        assert_eq!(said.code, 0, "{}", said.stderr);
    }

    /// A submitted job as the API shows it.
    #[track_caller]
    pub(crate) fn show(&self, job: &str) -> Value {
        let (status, view) = self.get(&format!("/api/v1/jobs/{job}"));
        assert_eq!(status, 200, "{view}");
        view
    }

    /// All submitted jobs.
    #[track_caller]
    pub(crate) fn show_all(&self) -> Value {
        self.get("/api/v1/jobs").1["jobs"].take()
    }

    /// Everything that the host wrote to stdout and stderr, over all its starts.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }

    fn spawn(&mut self) {
        assert!(self.process.is_none(), "the host is running");
        let log = self.folder.path().join("log");
        let mut command = leash::command(Signal::SIGKILL, self.folder.path(), &log).unwrap();
        keep_environment_out(&mut command);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg(env!("CARGO_BIN_EXE_pelton")).arg("run");
        for (name, value) in &self.flags {
            command.arg(name).arg(value);
        }
        self.process = Some(Leash::spawn(&mut command).unwrap());
    }

    fn agent(&self) -> ureq::Agent {
        let roots = self.authority.iter().map(|pem| ureq::tls::Certificate::from_pem(pem.as_bytes()).unwrap());
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::from(roots)).build();
        ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .new_agent()
    }
}

impl Drop for Host {
    /// Leaves in good order where it can, so that its consumer groups are free for the next test.
    fn drop(&mut self) {
        if let Some(process) = &mut self.process
            && let Err(error) = process.end(&[(Signal::SIGTERM, Duration::from_secs(15))])
        {
            eprintln!("failed to end the host: {error:#}");
        }
        if std::thread::panicking() {
            eprintln!("the host's log:\n{}", self.log());
        }
    }
}

/// Runs `pelton` to its end; panics if that doesn't come within three minutes.
#[track_caller]
pub(crate) fn pelton<A: AsRef<OsStr>>(arguments: &[A], environment: &[(&str, &str)]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_pelton"));
    keep_environment_out(&mut command);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap());
    let mut child = command.spawn().unwrap();
    let arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
    let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let status = eventually(PATIENCE, &format!("pelton {arguments:?} has ended"), || child.try_wait().unwrap());
    Said { code: status.code().unwrap_or(-1), stdout: text(&stdout), stderr: text(&stderr) }
}

/// `KAFKA_HOST`, `PELTON_API` and their like may be set where the tests run.
fn keep_environment_out(command: &mut Command) {
    command.env_clear();
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// Reads an answer, and holds it to what the OpenAPI document says of it.
#[track_caller]
fn read(method: &str, path: &str, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut response = response.unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    let (status, value) = (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)));
    crate::schema::check(method, path, status, &value);
    (status, value)
}
