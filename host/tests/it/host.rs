//! The host's process: it starts, says how it is, and ends as it was asked to.

use std::net::TcpListener;
use std::time::Duration;

use crate::kafka::require_kafka;
use crate::pelton::{Host, pelton};
use pelton::demo::postgres::{LocalPostgres, Options};

#[test]
fn it_drains_on_sigterm_and_comes_back_after_a_kill() {
    let kafka = require_kafka!();
    let postgres = LocalPostgres::start(&Options { durable: false, ..Options::default() }).unwrap();
    let mut host = Host::new(&kafka.bootstrap(), &postgres.url());
    host.start();
    host.wait_until_ready();
    let listed = host.cli(&["list", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);

    host.kill9();
    host.start();
    host.wait_until_ready();
    assert_eq!(host.sigterm(Duration::from_secs(30)), 0);
    assert_eq!(host.cli(&["list"]).code, 1, "no host answers any more");
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // Nothing listens on port 1: a host that can't listen itself has no reason to look for its servers.
    let mut host = Host::new("127.0.0.1:1", "postgres://nobody:nothing@127.0.0.1:1/none").flag("--listen", &address);
    let (code, log) = host.start_in_vain();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(&address), "{log}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let said = pelton(&["run", "--no-such-flag"], &[]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("--no-such-flag"), "{}", said.stderr);
    assert_eq!(said.stdout, "");
}
