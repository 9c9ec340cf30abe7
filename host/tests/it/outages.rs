//! Servers that are not there at the start or go away during a run, and hosts that are told to stop: nothing is lost,
//! it is said what is waited for, and all goes on by itself.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::eventually::eventually;
use crate::load::{check_all_forwarded, under_load};
use crate::pelton::Host;
use crate::readings::{check_all_arrived, readings};
use crate::stage::{RUN, committed, example, guest, require_stage};

const JOB: &str = "sensor_pipeline";
/// Longer than the session of a group's member.
const LONG: Duration = Duration::from_secs(8);
/// The drain timeout that hosts of tests are set to, and a moment for the rest.
const STOP: Duration = Duration::from_secs(5 + 7);

/// Waits until `/readyz` says 503 and these words.
#[track_caller]
fn wait_until_degraded(host: &Host, words: &str) {
    eventually(RUN, &format!("/readyz says {words:?}"), || {
        let (status, text) = host.get("/readyz");
        let text = text.as_str()?;
        (status == 503 && text.starts_with("degraded\n") && text.contains(words)).then_some(())
    });
}

/// Looks at the host for a while, during which it must stay degraded and alive.
#[track_caller]
fn stays_degraded(host: &Host, time: Duration) {
    let since = Instant::now();
    eventually(RUN, "the time is over", || {
        assert_eq!(host.get("/livez").0, 200);
        assert_eq!(host.get("/readyz").0, 503);
        (since.elapsed() >= time).then_some(())
    });
}

/// A host with the job submitted.
fn with_job(servers: &crate::stage::Servers) -> Host {
    servers.set(2);
    let mut host = servers.host();
    host.start();
    host.submit(example(JOB), &["--parallelism", "2"]);
    host
}

#[test]
fn servers_that_are_absent_at_the_start_are_waited_for() {
    let mut stage = require_stage!();
    let mut host = with_job(&stage);
    assert_eq!(host.sigterm(STOP), 0);
    stage.kafka.produce("sensors", &readings(0..1000));

    stage.kafka.stop().unwrap();
    stage.postgres.stop_keep_data().unwrap();
    host.start();
    wait_until_degraded(&host, &format!("kafka: Kafka at {} does not answer", stage.kafka.bootstrap()));
    wait_until_degraded(&host, &format!("{JOB}: job: failed to ask Kafka at {}", stage.kafka.bootstrap()));
    stage.kafka.start_again().unwrap();
    wait_until_degraded(
        &host,
        &format!("failed to connect to postgres://flinkuser@127.0.0.1:{}", stage.postgres.port()),
    );
    stage.postgres.start_again().unwrap();
    stage.wait_until_done(JOB);
    assert_eq!(check_all_arrived(&stage, 1000), 0);
    host.wait_until_ready();

    // A host that has nothing to wait for but Postgres.
    assert_eq!(host.sigterm(STOP), 0);
    stage.postgres.stop_keep_data().unwrap();
    host.start();
    wait_until_degraded(&host, "sink raw_sensors_data of instance 0: failed to connect to postgres://");
    stage.kafka.produce("sensors", &readings(1000..1100));
    stage.postgres.start_again().unwrap();
    stage.wait_until_done(JOB);
    assert_eq!(check_all_arrived(&stage, 1100), 0);
    host.wait_until_ready();
}

#[test]
fn postgres_may_go_away_during_a_run() {
    let mut stage = require_stage!();
    let host = with_job(&stage);
    stage.kafka.produce("sensors", &readings(0..20_000));
    let group = stage.watch(JOB);
    eventually(RUN, "some are committed", || (committed(&group).iter().sum::<i64>() > 1000).then_some(()));
    stage.postgres.stop_keep_data().unwrap();
    stage.kafka.produce("sensors", &readings(20_000..25_000));
    wait_until_degraded(&host, "sink raw_sensors_data of instance ");
    stays_degraded(&host, LONG);
    assert_eq!(host.show(JOB)["state"], "degraded");
    stage.postgres.start_again().unwrap();
    stage.wait_until_done(JOB);
    assert_eq!(check_all_arrived(&stage, 25_000), 0);
    host.wait_until_ready();
}

#[test]
fn kafka_may_go_away_during_a_run() {
    let mut stage = require_stage!();
    let host = with_job(&stage);
    stage.kafka.produce("sensors", &readings(0..20_000));
    let group = stage.watch(JOB);
    eventually(RUN, "some are committed", || (committed(&group).iter().sum::<i64>() > 1000).then_some(()));
    stage.kafka.stop().unwrap();
    wait_until_degraded(&host, "no Kafka broker is reachable (");
    stays_degraded(&host, LONG);
    stage.kafka.start_again().unwrap();
    stage.kafka.produce("sensors", &readings(20_000..25_000));
    stage.wait_until_done(JOB);
    let twice = check_all_arrived(&stage, 25_000);
    eprintln!("{twice} alerts came twice over the broker's restart");
    host.wait_until_ready();

    // Frozen: its connections stay open, and nothing answers.
    stage.kafka.pause().unwrap();
    wait_until_degraded(&host, "kafka: ");
    stays_degraded(&host, LONG);
    stage.kafka.unpause().unwrap();
    stage.kafka.produce("sensors", &readings(25_000..26_000));
    stage.wait_until_done(JOB);
    eprintln!("{} alerts came twice in all", check_all_arrived(&stage, 26_000));
    host.wait_until_ready();
}

#[test]
fn a_stop_does_not_wait_for_servers_that_are_away() {
    let mut stage = require_stage!();
    stage.set(2);
    // The session is much longer than the drain, as by default.
    let settings = "[delivery]\ndrain_timeout = \"5s\"\ncommit_interval = \"200ms\"\n\
                    [kafka.consumer]\n\"session.timeout.ms\" = \"20000\"\n";
    let mut host = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(settings);
    host.start();
    host.submit(example(JOB), &["--parallelism", "2"]);
    stage.kafka.produce("sensors", &readings(0..1000));
    stage.wait_until_done(JOB);

    stage.postgres.stop_keep_data().unwrap();
    stage.kafka.produce("sensors", &readings(1000..2000));
    wait_until_degraded(&host, "sink raw_sensors_data of instance ");
    eventually(RUN, "the new ones are read", || (host.show(JOB)["counts"]["records_in"] == 2000).then_some(()));
    assert_eq!(host.sigterm(STOP), 0);
    stage.postgres.start_again().unwrap();
    host.start();
    stage.wait_until_done(JOB);
    let twice = check_all_arrived(&stage, 2000);
    eprintln!("{twice} alerts came twice over a stop with Postgres away");

    for frozen in [false, true] {
        if frozen {
            stage.kafka.pause().unwrap()
        } else {
            stage.kafka.stop().unwrap()
        }
        wait_until_degraded(&host, "kafka: ");
        let told = Instant::now();
        assert_eq!(host.sigterm(STOP), 0);
        eprintln!(
            "stopped in {:.1} s while Kafka was {}",
            told.elapsed().as_secs_f64(),
            if frozen { "frozen" } else { "down" }
        );
        stage.kafka.restore().unwrap();
        host.start();
    }
    stage.kafka.produce("sensors", &readings(2000..2100));
    stage.wait_until_done(JOB);
    assert_eq!(check_all_arrived(&stage, 2100), twice);
}

#[test]
fn a_stop_under_full_load_drains() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &["--parallelism", "2"]);
    let group = stage.watch("identity");
    let written = under_load(&stage, 0, || {
        eventually(RUN, "the run is under way", || (committed(&group).iter().sum::<i64>() > 4000).then_some(()));
        assert_eq!(host.sigterm(STOP), 0);
    });
    let so_far: i64 = committed(&group).iter().sum();
    assert_eq!(stage.alerts().len() as i64, so_far, "all that was sent is committed, and nothing else");
    host.start();
    stage.wait_until_done("identity");
    assert_eq!(check_all_forwarded(&stage, written), 0, "a stop in good order repeats nothing");
}

#[test]
fn a_second_signal_ends_the_host_at_once() {
    let mut stage = require_stage!();
    stage.set(1);
    // Drains for longer than this test waits.
    let mut host = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url())
        .config("[delivery]\ndrain_timeout = \"12s\"\n[kafka.consumer]\n\"session.timeout.ms\" = \"13000\"\n");
    host.start();
    host.submit(example(JOB), &[]);
    stage.postgres.stop_keep_data().unwrap();
    stage.kafka.produce("sensors", &readings(0..100));
    eventually(RUN, "records are in flight", || (host.show(JOB)["counts"]["records_in"] == 100).then_some(()));
    host.signal(Signal::SIGTERM);
    eventually(RUN, "the host drains", || host.log().contains("a second signal stops at once").then_some(()));
    // The API goes last, so that the drain can be watched.
    assert_eq!(host.get("/livez").0, 200);
    host.signal(Signal::SIGINT);
    assert_eq!(host.exit_code(Duration::from_secs(5)), 1);
}
