//! After a failover to the standby, a client clings to the server that only reads:
//! <https://github.com/keycloak/keycloak/issues/22422>, <https://github.com/smartcontractkit/chainlink/issues/12834>.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use pelton_local::leash::{self, Leash};
use pelton_local::postgres::{LocalPostgres, Options};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::example;
use crate::readings::reading;
use crate::stage::{RUN, require_stage};

const READINGS: usize = 4_000;

/// A standby that streams from a server.
struct Standby {
    // Fields drop in this order: the server goes before its folder.
    _server: Leash,
    _folder: TempDir,
    port: u16,
}

/// As whom Postgres runs: it refuses root.
fn as_server(command: &mut Command) -> &mut Command {
    if geteuid().is_root() {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
    }
    command.current_dir("/tmp")
}

impl Standby {
    fn of(primary: &LocalPostgres) -> Self {
        let folder = tempfile::Builder::new().prefix("pelton-standby-").tempdir_in("/tmp").unwrap();
        if geteuid().is_root() {
            let nobody = User::from_name("nobody").unwrap().unwrap();
            chown(folder.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
        }
        let programs = primary.describe();
        let programs = PathBuf::from(programs.split_once('(').unwrap().1.trim_end_matches(')'));
        let data = folder.path().join("data");
        let mut backup = Command::new(programs.join("pg_basebackup"));
        backup.args(["-R", "-X", "stream", "--checkpoint=fast", "-d"]).arg(primary.url()).arg("-D").arg(&data);
        let output = as_server(&mut backup).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = leash::command(Signal::SIGINT, folder.path(), &folder.path().join("log")).unwrap();
        as_server(&mut command).arg(programs.join("postgres")).arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "ssl=off", "fsync=off"] {
            command.args(["-c", setting]);
        }
        Self { _server: Leash::spawn(&mut command).unwrap(), _folder: folder, port }
    }
}

/// Runs SQL, and gives the number that it says.
pub(crate) fn run(url: &str, sql: &str) -> Result<i64, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            let answers = client.simple_query(sql).await?;
            Ok(answers.iter().find_map(|answer| match answer {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                _ => None,
            }))
        })
        .map(Option::unwrap_or_default)
}

#[test]
fn a_failover_to_the_standby_loses_nothing() {
    let servers = require_stage!();
    servers.topics(1);
    let primary = LocalPostgres::start(&Options { durable: false, ..Options::default() }).unwrap();
    let schema = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compose/raw_sensors_data.sql"));
    run(&primary.url(), &schema.unwrap()).unwrap();
    let standby = Standby::of(&primary);
    let standby_url = primary.url().replace(&format!(":{}/", primary.port()), &format!(":{}/", standby.port));
    eventually(RUN, "the standby answers", || run(&standby_url, "SELECT 1").ok());
    // What is confirmed is on both.
    run(&primary.url(), "ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
    run(&primary.url(), "SELECT pg_reload_conf()").unwrap();

    let both = format!(":{},127.0.0.1:{}/", primary.port(), standby.port);
    let url = primary.url().replace(&format!(":{}/", primary.port()), &both);
    let mut host = servers.host().flag("--postgres", format!("{url}?target_session_attrs=read-write"));
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    let records = |from: usize| -> Vec<Record> {
        (from..from + READINGS / 2).map(|n| reading(&format!("reading {n}"), 20.0)).collect()
    };
    servers.kafka.produce("sensors", &records(0));
    let count = "SELECT count(*) FROM raw_sensors_data";
    eventually(RUN, "the first rows are there", || {
        (run(&primary.url(), count).ok()? == READINGS as i64 / 2).then_some(())
    });
    kill(Pid::from_raw(primary.pid().unwrap() as i32), Signal::SIGKILL).unwrap();
    servers.kafka.produce("sensors", &records(READINGS / 2));
    eventually(RUN, "the outage is seen", || (host.show("sensor_pipeline")["state"] == "degraded").then_some(()));
    run(&standby_url, "SELECT pg_promote()").unwrap();
    servers.wait_until_done("sensor_pipeline");
    assert_eq!(run(&standby_url, count).unwrap(), READINGS as i64);
    eventually(RUN, "it is well", || (host.show("sensor_pipeline")["state"] == "running").then_some(()));
}
