//! What `pelton submit` checks, refuses and remembers, in the words that its users see.

use std::ffi::OsString;

use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::{Host, Said, pelton};
use crate::readings::{alerted, reading};
use crate::stage::{RUN, committed, example, guest, require_stage};

fn submit(host: &Host, job: impl Into<OsString>, flags: &[&str]) -> Said {
    let mut arguments = vec![OsString::from("submit"), job.into()];
    arguments.extend(flags.iter().map(OsString::from));
    host.cli(&arguments)
}

/// What is said where all is as it is asked for.
const NOTHING_CHANGED: &str = "sensor_pipeline: nothing changed: it is as asked for already\n";

/// Submits in vain: exit code 1, and exactly this message.
#[track_caller]
fn refused(host: &Host, job: impl Into<OsString>, flags: &[&str], message: &str) {
    let said = submit(host, job, flags);
    assert_eq!(
        (said.code, said.stdout.as_str(), said.stderr.as_str()),
        (1, "", format!("pelton: {message}\n").as_str())
    );
}

#[test]
fn what_is_missing_is_listed_and_created() {
    let stage = require_stage!();
    let mut host = stage.host();
    host.start();
    let listed = "something that the job needs is missing
  - topic \"sensors\", which the job reads, does not exist
  - topic \"alerts\", which the job writes, does not exist
  - table `raw_sensors_data` is missing
repeat it with --create to create what the job writes, and, if the name is right, with --create-source sensors to create what it reads";
    refused(&host, example("sensor_pipeline"), &[], listed);
    assert_eq!(host.show_all(), json!([]));

    stage.kafka.create_topic("sensors", 3, &[("max.message.bytes", "7000000")]);
    let said = submit(&host, example("sensor_pipeline"), &["--create", "--json"]);
    assert_eq!((said.code, said.stdout.starts_with('{')), (0, true), "{}", said.stderr);
    assert!(said.stderr.starts_with("note: created topic \"alerts\" with 3 partitions\n"), "{}", said.stderr);
    assert_eq!(stage.kafka.end_offsets("alerts"), [0, 0, 0], "as many partitions as the source has");
    assert_eq!(stage.kafka.end_offsets("sensor_pipeline.dlq"), [0]);
    let columns = stage.query(
        "SELECT column_name::text, data_type::text, is_nullable::text FROM information_schema.columns
         WHERE table_name = 'raw_sensors_data' ORDER BY ordinal_position",
    );
    let columns: Vec<(&str, &str, &str)> = columns.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(
        columns,
        [
            ("message_id", "character varying", "NO"),
            ("sensor_id", "integer", "NO"),
            ("message", "text", "NO"),
            ("timestamp", "timestamp with time zone", "NO"),
        ]
    );
    // What was created works.
    stage.kafka.produce("sensors", &[reading("a", 31.0)]);
    stage.wait_until_done("sensor_pipeline");
    assert_eq!(stage.count("raw_sensors_data"), 1);
}

#[test]
fn nothing_is_made_before_all_else_is_well() {
    let stage = require_stage!();
    let mut host = stage.host();
    host.start();
    stage.kafka.create_topic("sensor", 1, &[]);
    let nothing_is_made = || {
        let topics: Vec<_> = ["sensors", "alerts", "sensor_pipeline.dlq"].map(|topic| stage.kafka.exists(topic)).into();
        assert_eq!(topics, [false; 3]);
        assert!(stage.query("SELECT FROM pg_tables WHERE schemaname = 'public'").len() <= 1);
        assert_eq!(host.show_all(), json!([]));
    };
    // A source that is not named may be a slip.
    let source = "topic \"sensors\", which the job reads, does not exist; did you mean \"sensor\"?";
    let help = "if the name is right, repeat it with --create-source sensors to create what the job reads";
    let refusal = |causes: &str, help: &str| format!("something that the job needs is missing{causes}{help}");
    refused(&host, example("sensor_pipeline"), &["--create"], &refusal(&format!(": {source}"), &format!("\n{help}")));
    nothing_is_made();
    let slip = "the request makes no sense: --create-source names \"sensor\", and the job reads \"sensors\"";
    refused(&host, example("sensor_pipeline"), &["--create", "--create-source", "sensor"], slip);
    nothing_is_made();
    // What --create can't mend is in the way of all the rest.
    stage.sql("CREATE TABLE raw_sensors_data (message_id varchar PRIMARY KEY, sensor_id int, message text)");
    let table = "table `raw_sensors_data`: column `timestamp` is missing";
    let both = ["--create", "--create-source", "sensors"];
    refused(&host, example("sensor_pipeline"), &both, &refusal(&format!(": {table}"), ""));
    let topic = "topic \"alerts\", which the job writes, does not exist";
    let listed = format!("\n  - {source}\n  - {topic}\n  - {table}");
    let help = "\nmend what can't be created; then repeat it with --create to create what the job writes, and, if the name is \
                right, with --create-source sensors to create what it reads";
    refused(&host, example("sensor_pipeline"), &[], &refusal(&listed, help));
    nothing_is_made();
    // Nor is anything made for a job that refuses its parameters.
    stage.sql("DROP TABLE raw_sensors_data; CREATE TABLE raw_sensor_data (a int)");
    let said = submit(&host, example("sensor_pipeline"), &[&both[..], &["--set", "threshold=hot"]].concat());
    assert!(said.stderr.starts_with("pelton: the job refuses its parameters: "), "{}", said.stderr);
    nothing_is_made();
    let said = submit(&host, example("sensor_pipeline"), &[]);
    assert!(said.stderr.contains("`raw_sensors_data` is missing; did you mean `raw_sensor_data`?"), "{}", said.stderr);

    let made = [
        "topic \"sensors\" with 1 partition",
        "topic \"alerts\" with 1 partition",
        "topic \"sensor_pipeline.dlq\" with 1 partition",
        "table `raw_sensors_data`",
    ];
    let said = submit(&host, example("sensor_pipeline"), &both);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let told: String = made.iter().map(|made| format!("created {made}\n")).collect();
    let line = "sensor_pipeline: submitted, version 1 (0.1.0) reads sensors and writes raw_sensors_data, alerts\n";
    assert_eq!(said.stdout, told + line);
    for made in made {
        assert!(host.log().contains(&format!("created {made} for job sensor_pipeline")), "{made}");
    }
    // Whoever repeats it has nothing made.
    let said = submit(&host, example("sensor_pipeline"), &both);
    assert_eq!((said.code, said.stdout.as_str()), (0, NOTHING_CHANGED), "{}", said.stderr);
}

#[test]
fn what_can_not_be_made_is_told_so() {
    let stage = require_stage!();
    stage.topics(1);
    stage.sql("CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT USAGE ON SCHEMA public TO guest");
    let url = stage.postgres.url().replace("flinkuser:flinkpassword", "guest:guest");
    let mut host = stage.host().flag("--postgres", url);
    host.start();
    let told = "something that the job needs is missing: table `raw_sensors_data` is missing and can't be created: the \
                CREATE privilege on schema `public` is not granted to `guest`";
    refused(&host, example("sensor_pipeline"), &["--create"], told);
    refused(&host, example("sensor_pipeline"), &[], told);
    assert!(!stage.kafka.exists("sensor_pipeline.dlq"));
    stage.sql("DROP OWNED BY guest; DROP ROLE guest");
}

#[test]
fn a_table_of_another_shape_is_described() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    stage.sql(
        "CREATE TABLE raw_sensors_data (message_id varchar(255), sensor_id bigint, timestamp timestamp NOT NULL,
         site text NOT NULL)",
    );
    let described = "something that the job needs is missing
  - table `raw_sensors_data`: column `sensor_id` is `bigint`, the job declares `int4`
  - table `raw_sensors_data`: column `message` is missing
  - table `raw_sensors_data`: column `timestamp` is `timestamp without time zone`, the job declares `timestamptz`
  - table `raw_sensors_data`: column `site` is NOT NULL without a default, and the job doesn't fill it
  - table `raw_sensors_data`: there is no unique constraint on exactly (`message_id`)";
    refused(&host, example("sensor_pipeline"), &[], described);
    // It is never repaired: the table may be somebody's.
    refused(&host, example("sensor_pipeline"), &["--create"], described);
    assert_eq!(host.show_all(), json!([]));
}

#[test]
fn servers_that_are_away_are_named() {
    let mut stage = require_stage!();
    stage.set(1);
    let wrong = stage.postgres.url().replace("flinkpassword", "wrong");
    let mut host = stage.host().flag("--postgres", wrong);
    host.start();
    let said = submit(&host, example("sensor_pipeline"), &[]);
    assert_eq!(said.code, 1);
    let at = format!("postgres://flinkuser@127.0.0.1:{}/flinkdb", stage.postgres.port());
    let message = format!(
        "pelton: Postgres can't be asked for what the job needs: failed to connect to {at}: password authentication \
         failed for user \"flinkuser\" (28P01)\n"
    );
    assert_eq!(said.stderr, message);
    // A job without tables has no use for Postgres.
    host.submit(example("sensor_alerts"), &[]);
    assert_eq!(host.sigterm(RUN), 0);

    let mut host = stage.host();
    host.start();
    stage.postgres.stop_keep_data().unwrap();
    let said = submit(&host, example("sensor_pipeline"), &[]);
    assert_eq!(said.code, 1);
    let message = format!("pelton: Postgres can't be asked for what the job needs: failed to connect to {at}: ");
    assert!(said.stderr.starts_with(&message), "{}", said.stderr);
    stage.postgres.start_again().unwrap();

    stage.kafka.stop().unwrap();
    let said = submit(&host, example("sensor_pipeline"), &[]);
    assert_eq!(said.code, 1);
    let message = "pelton: Kafka can't be asked for what the job needs: failed to ask Kafka at ";
    assert!(said.stderr.starts_with(message), "{}", said.stderr);
    assert_eq!(said.stderr.matches(&stage.kafka.bootstrap()).count(), 1, "{}", said.stderr);
    assert_eq!(said.stderr.matches("--kafka HOST:PORT").count(), 1, "{}", said.stderr);
    assert_eq!(host.show_all(), json!([]));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    let alerts = example("sensor_alerts");
    let with = |flags: &[&str], message: &str| refused(&host, &alerts, flags, message);
    with(
        &["--set", "treshold=40"],
        "the job refuses its parameters: the job has no parameter \"treshold\"; it has threshold",
    );
    let said = submit(&host, &alerts, &["--set", "threshold=hot"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.starts_with("pelton: the job refuses its parameters: "), "{}", said.stderr);
    assert!(said.stderr.contains("threshold") && said.stderr.contains("hot"), "{}", said.stderr);
    let name = "the job is not submitted: job name \"Sensor Alerts\" is not 1 to 100 lower-case letters, digits, `_` \
                and `-`, starting with a letter or digit";
    with(&["--name", "Sensor Alerts"], name);
    with(&["--parallelism", "0"], "that many instances can't be had: parallelism 0 is not between 1 and 256");
    with(
        &["--guarantee", "exactly-once"],
        "the job is not submitted: exactly-once is not available in this version\nsubmit it with --guarantee \
         at-least-once; a table with a key and on-conflict ignore or update holds each row once all the same",
    );
    let absent = "there is no file no/such/file.wasm; a component in a registry is oci://no/such/file.wasm";
    refused(&host, "no/such/file.wasm", &[], absent);
    let usr_jobs = host.usr_jobs();
    let unavailable = format!(
        "no job \"nothing\" is available: the host's folder {} has nothing\ndrop its .wasm there, or submit the file itself",
        usr_jobs.display()
    );
    refused(&host, "nothing", &[], &unavailable);
    let nobody = "there is no job \"nobody\": it is not submitted on this host\n`pelton list` shows the jobs\n";
    for command in ["show", "cancel"] {
        let said = host.cli(&[command, "nobody"]);
        assert_eq!((said.code, said.stderr), (1, format!("pelton: {nobody}")));
    }
    // Wrong usage, which no host is asked about.
    for wrong in [
        &["submit"][..],
        &["submit", "a", "--set", "threshold"],
        &["submit", "a", "--from", "now"],
        &["submit", "a", "--parallelism", "many"],
        &["submit", "a", "--guarantee", "perhaps"],
        &["show"],
        &["frobnicate"],
        &["sumbit"],
    ] {
        let said = host.cli(wrong);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{wrong:?}: {}", said.stderr);
    }
    for (wrong, meant) in [(&["sumbit"][..], "submit"), (&["lits"], "list"), (&["dlq", "redirve"], "redrive")] {
        assert!(host.cli(wrong).stderr.contains(&format!("'{meant}'")), "{wrong:?}");
    }
    // Whatever else a file is, nothing of it is shown.
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.wasm");
    std::fs::write(&page, "<html>").unwrap();
    let told = format!(
        "failed to upload {}: the file is not a job: not a valid WebAssembly component: the file is no WebAssembly, which \
         begins with \\0asm; `pelton build` makes a component of a project",
        page.display()
    );
    refused(&host, &page, &[], &told);
    assert_eq!(host.show_all(), json!([]));
    let said = pelton(&["list"], &[("PELTON_API", "http://127.0.0.1:1")]);
    assert_eq!(said.code, 1);
    let words = "no Pelton host answers at http://127.0.0.1:1; start one with `pelton run`, or set PELTON_API";
    assert!(said.stderr.contains(words), "{}", said.stderr);
}

#[test]
fn a_submit_may_be_repeated_but_not_changed() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.drop_job("alerts", &std::fs::read(example("sensor_alerts")).unwrap());
    host.start();
    // By the name that it declares, and by that of its file.
    for name in ["sensor_alerts", "alerts", "alerts.wasm"] {
        let said = submit(&host, name, &["--set", "threshold=20", "--json"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let view: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!((&view["name"], &view["parameters"]["threshold"]), (&json!("sensor_alerts"), &json!("20")));
    }
    // Where it was to start instead is not ignored in silence.
    let said = submit(&host, "sensor_alerts", &["--set", "threshold=20", "--from", "earliest", "--json"]);
    assert_eq!((said.code, said.stdout.starts_with('{')), (0, true), "{}", said.stderr);
    assert!(
        said.stderr.starts_with("note: sensor_alerts is submitted already and goes on from its"),
        "{}",
        said.stderr
    );
    let again = json!({"available": "alerts", "parameters": {"threshold": "20"}, "from": "latest"});
    let (status, answer) = host.post("/api/v1/jobs", &again);
    assert_eq!((status, &answer["name"]), (201, &json!("sensor_alerts")), "{answer}");
    assert!(answer["notice"].as_str().unwrap().contains("not from the latest"), "{answer}");

    let other = "a job \"sensor_alerts\" is submitted already: with another component or other settings
change it while it runs (`pelton reload`, `set`, `scale`), cancel it first (`pelton cancel sensor_alerts`; its offsets are kept), or submit this one under another --name";
    refused(&host, "sensor_alerts", &["--set", "threshold=21"], other);
    refused(&host, guest("identity"), &["--name", "sensor_alerts"], other);
    let said = submit(&host, "sensor_alerts", &["--set", "threshold=21", "--name", "warmer", "--group", "mine"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    stage.kafka.produce("sensors", &[reading("cold", 19.0), reading("mild", 20.5), reading("warm", 22.0)]);
    stage.wait_until_done("sensor_alerts");
    let group = stage.kafka.watch("mine", "sensors");
    eventually(RUN, "the group of its own has committed", || (committed(&group) == [3]).then_some(()));
    let mut found = alerted(&stage);
    found.sort();
    assert_eq!(found, ["mild", "warm", "warm"]);

    // What prints data prints JSON when asked, and people's text otherwise.
    let list: Value = serde_json::from_str(&host.cli(&["list", "--json"]).stdout).unwrap();
    let names: Vec<_> = list["jobs"].as_array().unwrap().iter().map(|job| job["name"].clone()).collect();
    assert_eq!(names, ["sensor_alerts", "warmer"]);
    assert_eq!(list["available"][0]["spec"]["name"], "sensor_alerts");
    let shown: Value = serde_json::from_str(&host.cli(&["show", "warmer", "--json"]).stdout).unwrap();
    assert_eq!((&shown["group"], &shown["counts"]["records_in"]), (&json!("mine"), &json!(3)));
    let text = host.cli(&["show", "warmer"]).stdout;
    assert!(text.contains("threshold = 21") && text.contains("running"), "{text}");
    let cancelled: Value = serde_json::from_str(&host.cli(&["cancel", "warmer", "--json"]).stdout).unwrap();
    assert_eq!((&cancelled["name"], &cancelled["state"]), (&json!("warmer"), &json!("stopped")));
    assert_eq!(host.cli(&["show", "warmer"]).code, 1);

    // Where a cancelled job was is kept: it goes on from there, and from the beginning when asked to.
    stage.kafka.produce("sensors", &[reading("hot", 31.0)]);
    host.cli(&["cancel", "sensor_alerts"]);
    let said = submit(&host, "sensor_alerts", &["--set", "threshold=30"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    stage.wait_until_done("sensor_alerts");
    assert_eq!(alerted(&stage).iter().filter(|id| *id == "warm").count(), 2);
    host.cli(&["cancel", "sensor_alerts"]);
    let said = submit(&host, "sensor_alerts", &["--set", "threshold=21.5", "--from", "earliest"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    eventually(RUN, "all is read anew", || {
        (alerted(&stage).iter().filter(|id| *id == "warm").count() == 3).then_some(())
    });
}

#[test]
fn the_start_is_pinned_at_the_submit() {
    let stage = require_stage!();
    stage.set(2);
    let before = [reading("before 0", 31.0).partition(0), reading("before 1", 31.0).partition(1)];
    stage.kafka.produce("sensors", &before);
    let mut host = stage.host();
    host.start();
    let said = submit(&host, example("sensor_alerts"), &[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    host.kill9();
    // Nobody is there to see these come. They were written after the submit, so they are due.
    let after: Vec<Record> = (0..10).map(|i| reading(&format!("after {i}"), 31.0).partition(i % 2)).collect();
    stage.kafka.produce("sensors", &after);
    host.start();
    stage.wait_until_done("sensor_alerts");
    let mut found = alerted(&stage);
    found.sort();
    assert_eq!(found, (0..10).map(|i| format!("after {i}")).collect::<Vec<_>>());

    // `latest` skips what there is, also for a group that has offsets.
    host.cli(&["cancel", "sensor_alerts"]);
    stage.kafka.produce("sensors", &[reading("skipped", 31.0).partition(0)]);
    let said = submit(&host, example("sensor_alerts"), &["--from", "latest"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    stage.kafka.produce("sensors", &[reading("last", 31.0).partition(0)]);
    stage.wait_until_done("sensor_alerts");
    let found = alerted(&stage);
    assert_eq!((found.len(), found.last().map(String::as_str)), (11, Some("last")));
}

#[test]
fn instances_share_the_partitions() {
    let stage = require_stage!();
    stage.set(4);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &["--parallelism", "2"]);
    let records: Vec<Record> = (0..4000).map(|i| Record::new(i.to_string()).partition(i % 4)).collect();
    stage.kafka.produce("sensors", &records);
    stage.wait_until_done("identity");
    let view = host.show("identity");
    // More of them than partitions are remarked on.
    let told =
        "note: parallelism 5 is above the 4 partitions of sensors: an instance without a partition does nothing\n";
    let said = host.cli(&["scale", "identity", "5"]);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("identity: parallelism is 5 (was 2)\n", told));
    let said = submit(&host, guest("identity"), &["--name", "other", "--parallelism", "5"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, told));
    let said = host.cli(&["scale", "identity", "4"]);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("identity: parallelism is 4 (was 5)\n", ""));
    let mut instances: Vec<i64> =
        view["partitions"].as_array().unwrap().iter().map(|p| p["instance"].as_i64().unwrap()).collect();
    instances.sort_unstable();
    assert_eq!(instances, [0, 0, 1, 1], "{view}");
    // In order within each partition.
    let alerts: Vec<i32> = stage.alerts().iter().map(|value| value.parse().unwrap()).collect();
    for partition in 0..4 {
        let of: Vec<i32> = alerts.iter().copied().filter(|i| i % 4 == partition).collect();
        assert_eq!(of, (0..1000).map(|i| i * 4 + partition).collect::<Vec<_>>());
    }
}

#[test]
fn everything_in_usr_jobs_is_submitted_on_request() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host().env("PELTON_SUBMIT_ALL", "true");
    for name in ["sensor_alerts", "sensor_pipeline"] {
        host.drop_job(name, &std::fs::read(example(name)).unwrap());
    }
    host.drop_job("broken", b"no job");
    host.start();
    let names = |host: &Host| -> Vec<String> {
        let jobs = host.show_all();
        jobs.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    };
    eventually(RUN, "both are submitted", || (names(&host) == ["sensor_alerts", "sensor_pipeline"]).then_some(()));
    stage.kafka.produce("sensors", &[reading("a", 31.0)]);
    stage.wait_until_done("sensor_alerts");
    stage.wait_until_done("sensor_pipeline");
    assert_eq!(alerted(&stage), ["a", "a"]);
}
