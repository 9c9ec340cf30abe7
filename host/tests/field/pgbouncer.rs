//! A pgbouncer of a test's own, between hosts and Postgres.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use pelton_local::leash::{self, Leash};
use tempfile::TempDir;

use crate::eventually::eventually;

/// It ends with the test.
#[derive(Debug)]
pub(crate) struct Pooler {
    // Fields drop in this order: the process goes before its folder.
    _process: Leash,
    _folder: TempDir,
    port: u16,
}

impl Pooler {
    /// Where it is, or why tests of it can't run.
    pub(crate) fn available() -> Result<PathBuf, String> {
        let path = env::var_os("PATH").unwrap_or_default();
        // Debian has it where only root's PATH leads.
        let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let found = folders.map(|folder| folder.join("pgbouncer")).find(|file| file.is_file());
        let missing = "pgbouncer is not installed".to_owned();
        if found.is_none() && env::var_os("PELTON_TEST_REQUIRE_KAFKA").is_some() {
            panic!("{missing}");
        }
        found.ok_or(missing)
    }

    /// A pooler in this mode with so many connections to the server at this URL.
    pub(crate) fn start(postgres: &str, mode: &str, connections: usize) -> Self {
        let (_, rest) = postgres.rsplit_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let (host, server_port) = server.split_once(':').unwrap();
        let folder = tempfile::Builder::new().prefix("pelton-pgbouncer-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{database} = host={host} port={server_port} user=flinkuser password=flinkpassword\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = {mode}\ndefault_pool_size = {connections}\n"
        );
        fs::write(&settings, text).unwrap();
        let mut command = leash::command(Signal::SIGINT, folder.path(), &folder.path().join("log")).unwrap();
        command.arg(Self::available().unwrap());
        if geteuid().is_root() {
            // As root it refuses to run.
            command.args(["-u", "nobody"]);
        }
        let process = Leash::spawn(command.arg(settings)).unwrap();
        eventually(Duration::from_secs(30), "pgbouncer listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { _process: process, _folder: folder, port }
    }

    /// The URL of the same database by way of the pooler.
    pub(crate) fn url(&self, postgres: &str) -> String {
        let (user, rest) = postgres.rsplit_once('@').unwrap();
        let (_, database) = rest.split_once('/').unwrap();
        format!("{user}@127.0.0.1:{}/{database}", self.port)
    }
}
