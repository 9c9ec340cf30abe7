//! `pelton_local::postgres`: it starts, survives an outage with its data, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pelton_local::postgres::{LocalPostgres, Options, Programs};
use pelton_testkit::eventually::eventually;
use pelton_testkit::skip::{skip, test_name};
use tokio_postgres::{Client, NoTls};

/// Runs `work` with a connection to the server.
fn with_client<T>(postgres: &LocalPostgres, work: impl AsyncFnOnce(&Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        work(&client).await
    })
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// The whole life of one server.
fn lives(programs: Programs, expected: &str) {
    let mut postgres = LocalPostgres::start(&Options { programs, durable: false, ..Options::default() }).unwrap();
    assert!(postgres.describe().contains(expected), "{}", postgres.describe());
    let (first, port, folder) = (postgres.pid().unwrap(), postgres.port(), postgres.folder().to_owned());

    with_client(&postgres, async |client| {
        client.batch_execute("CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (42)").await.unwrap();
        let row = client
            .query_one("SELECT current_user::text, current_database()::text, current_setting('listen_addresses')", &[])
            .await
            .unwrap();
        let found: [String; 3] = [row.get(0), row.get(1), row.get(2)];
        assert_eq!(found, ["flinkuser", "flinkdb", "127.0.0.1"]);
    });
    let wrong = postgres.url().replace("flinkpassword", "wrong");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(tokio_postgres::connect(&wrong, NoTls)).err().unwrap();
    assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::INVALID_PASSWORD));

    postgres.stop_keep_data().unwrap();
    assert_eq!(postgres.pid(), None);
    assert!(!is_running(first));
    assert!(runtime.block_on(tokio_postgres::connect(&postgres.url(), NoTls)).is_err());

    postgres.start_again().unwrap();
    assert_eq!(postgres.port(), port);
    let second = postgres.pid().unwrap();
    with_client(&postgres, async |client| {
        let row = client.query_one("SELECT id FROM kept", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 42);
    });

    postgres.stop().unwrap();
    assert!(!is_running(second));
    assert!(!folder.exists());
}

#[test]
fn an_installed_one_lives_and_leaves_nothing() {
    match LocalPostgres::start(&Options { programs: Programs::Installed, ..Options::default() }) {
        Ok(postgres) => drop(postgres),
        Err(error) if error.to_string().starts_with("found no installed PostgreSQL") => {
            return skip(test_name!(), &error.to_string());
        }
        Err(error) => panic!("{error:#}"),
    }
    lives(Programs::Installed, "PostgreSQL ");
}

#[test]
fn a_fetched_one_lives_and_leaves_nothing() {
    lives(Programs::Fetched, "PostgreSQL 16.15 ");
}

#[test]
fn two_run_side_by_side_and_a_dropped_one_leaves_nothing() {
    let options = Options { durable: false, ..Options::default() };
    let one = LocalPostgres::start(&options).unwrap();
    let two = LocalPostgres::start(&options).unwrap();
    assert_ne!(one.port(), two.port());
    let (pid, folder) = (one.pid().unwrap(), one.folder().to_owned());
    drop(one);
    assert!(!is_running(pid));
    assert!(!folder.exists());
    with_client(&two, async |client| client.batch_execute("SELECT 1").await.unwrap());
}

/// Stands for a host that is killed: a process of this very test binary that starts a server and never stops it.
#[test]
fn it_ends_with_a_killed_owner() {
    const ROLE: &str = "PELTON_TEST_POSTGRES_OWNER";
    if let Some(report) = std::env::var_os(ROLE) {
        let postgres = LocalPostgres::start(&Options { durable: false, ..Options::default() }).unwrap();
        let pid = postgres.pid().unwrap();
        let draft = Path::new(&report).with_extension("draft");
        std::fs::write(&draft, format!("{pid} {}", postgres.folder().display())).unwrap();
        std::fs::rename(&draft, &report).unwrap();
        loop {
            std::thread::park();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "it_ends_with_a_killed_owner"])
        .env(ROLE, &report)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let told = eventually(Duration::from_secs(120), "the owner has started its server", || {
        assert_eq!(owner.try_wait().unwrap(), None, "the owner failed");
        std::fs::read_to_string(&report).ok()
    });
    let (pid, data) = told.split_once(' ').unwrap();
    let pid = pid.parse().unwrap();
    assert!(is_running(pid) && Path::new(data).exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually(Duration::from_secs(30), "the server is gone", || (!is_running(pid)).then_some(()));
    eventually(Duration::from_secs(30), "its data is gone", || (!Path::new(data).exists()).then_some(()));
}
