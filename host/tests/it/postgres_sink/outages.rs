//! Postgres away, broken, or not letting us in: nothing is lost, nothing is dropped, and it goes on by itself.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pelton::record::ColumnData;
use pelton::spec::{ColumnType, Conflict};

use super::rig::{ITEMS, PATIENCE, Rig, column, item_rows, items, private_server, rows, table};
use crate::eventually::eventually;

const CHUNKS: i32 = 200;
const ROWS: i32 = 100;

/// Sends many chunks, and calls `harm` a few times in between, each time once more rows have been written.
fn write_through(rig: &mut Rig, mut harm: impl FnMut(&mut Rig)) {
    rig.config.max_rows = 500;
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    for chunk in 0..CHUNKS {
        rig.send(&sink, &target, &item_rows((0..ROWS).map(|i| (chunk * ROWS + i, "x"))));
        if chunk % 50 == 25 {
            let seen = rig.transactions();
            eventually(PATIENCE, "another transaction", || (rig.transactions() > seen).then_some(()));
            harm(rig);
        }
    }
    rig.settle();
    rig.runtime.block_on(sink.close());
}

fn assert_whole(rig: &Rig) {
    let n = i64::from(CHUNKS * ROWS);
    assert_eq!(rig.query("SELECT count(*), sum(id) FROM items"), [format!("{n}|{}", n * (n - 1) / 2)]);
    assert_eq!(rig.letters.all(), []);
}

#[test]
fn a_terminated_backend_loses_nothing() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    write_through(&mut rig, |rig| {
        let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'pelton/test' AND datname = current_database()";
        eventually(PATIENCE, "a session to end", || (!rig.query(ended).is_empty()).then_some(()));
    });
    assert_whole(&rig);
}

#[test]
fn a_killed_server_loses_nothing() {
    let mut server = private_server();
    let mut rig = Rig::on(&server.url());
    rig.sql(ITEMS);
    write_through(&mut rig, |rig| {
        let pid = Pid::from_raw(server.pid().unwrap() as i32);
        kill(pid, Signal::SIGKILL).unwrap();
        rig.told.downs.lock().unwrap().clear();
        rig.wait_down("");
        eventually(PATIENCE, "the server starts again", || {
            // What is left of the killed one may be in the way for a moment.
            server.start_again().ok()?;
            rig.try_connect(&server.url()).ok()
        });
    });
    assert_whole(&rig);
}

#[test]
fn a_server_that_comes_late_is_awaited() {
    let mut server = private_server();
    let mut rig = Rig::on(&server.url());
    rig.sql(ITEMS);
    server.stop_keep_data().unwrap();
    let target = items(Conflict::Fail);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows([(1, "x")]));
    rig.wait_down("Connection refused");
    let reason = rig.told.downs.lock().unwrap()[0].clone();
    let expected = format!("failed to connect to postgres://flinkuser@127.0.0.1:{}/flinkdb: ", server.port());
    assert!(reason.starts_with(&expected), "{reason}");
    assert_eq!(rig.ledger.committable(), None);
    server.start_again().unwrap();
    rig.settle();
    assert_eq!(rig.told.ups.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn a_wrong_password_is_said_and_a_right_one_helps() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.sql("CREATE ROLE writer LOGIN PASSWORD 'other'; GRANT SELECT, INSERT ON items TO writer");
    rig.config.url = rig.url_as("writer", "hush-hush");
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows([(1, "x")]));
    rig.wait_down("password authentication failed for user \"writer\" (28P01)");
    assert!(!format!("{:?} {:?}", rig.told, rig.config).contains("hush-hush"));
    rig.sql("ALTER ROLE writer PASSWORD 'hush-hush'");
    rig.settle();
    rig.wait_up(1);
    assert_eq!(rig.query("SELECT * FROM items"), ["1|x"]);
    rig.runtime.block_on(sink.close());
    eventually(PATIENCE, "the session is gone", || {
        (rig.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'writer'") == ["0"]).then_some(())
    });
    rig.sql("DROP OWNED BY writer; DROP ROLE writer");
}

#[test]
fn a_table_that_goes_is_awaited() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows([(1, "x")]));
    rig.settle();
    rig.sql("DROP TABLE items");
    rig.send(&sink, &target, &item_rows([(2, "x")]));
    rig.wait_down("relation \"items\" does not exist (42P01)");
    rig.sql(ITEMS);
    rig.settle();
    rig.wait_up(2);
    assert_eq!(rig.query("SELECT id FROM items"), ["2"]);

    // A column of another type is no fault of the rows either.
    rig.sql("ALTER TABLE items ALTER note TYPE bytea USING note::bytea, DROP CONSTRAINT items_note_check");
    rig.send(&sink, &target, &item_rows([(3, "x")]));
    rig.wait_down("column \"note\" is of type bytea but expression is of type text (42804");
    rig.sql("ALTER TABLE items ALTER note TYPE text USING encode(note, 'escape')");
    rig.settle();
    assert_eq!(rig.query("SELECT * FROM items ORDER BY id"), ["2|x", "3|x"]);
    assert_eq!(rig.letters.all(), []);
}

#[test]
fn an_idle_sink_notices_an_outage() {
    let mut server = private_server();
    let mut rig = Rig::on(&server.url());
    rig.sql(ITEMS);
    let sink = rig.sink(&items(Conflict::Ignore));
    rig.wait_up(1);
    server.stop_keep_data().unwrap();
    rig.wait_down("Connection refused");
    server.start_again().unwrap();
    rig.wait_up(2);
    drop(sink);
    rig.connect(&server.url());
}

#[test]
fn what_is_given_up_during_an_outage_is_dropped_unacknowledged() {
    let mut server = private_server();
    let mut rig = Rig::on(&server.url());
    rig.sql(ITEMS);
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.wait_up(1);
    server.stop_keep_data().unwrap();
    for id in 0..3 {
        rig.send(&sink, &target, &item_rows([(id, "x")]));
    }
    rig.wait_down("Connection refused");
    assert_eq!(rig.ledger.in_flight(), 3);
    rig.ledger.close();
    assert!(rig.ledger.drain(Instant::now() + Duration::from_secs(20)));
    assert_eq!(rig.ledger.committable(), None);
    // With nothing left to write, closing needs no Postgres.
    rig.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), sink.close()).await }).unwrap();
}

#[test]
fn a_close_writes_what_was_sent() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.config.linger = Duration::from_secs(3600);
    let target = items(Conflict::Fail);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows([(1, "x")]));
    rig.runtime.block_on(sink.close());
    rig.settle();
    assert_eq!(rig.query("SELECT id FROM items"), ["1"]);

    let in_flight_before = rig.ledger.in_flight();
    rig.send(&sink, &target, &item_rows([(2, "x")]));
    assert_eq!(rig.ledger.in_flight(), in_flight_before);
    assert_eq!(rig.ledger.committable(), Some(1));
}

#[test]
fn a_column_altered_to_a_type_of_the_same_size_is_converted() {
    let mut rig = Rig::new();
    rig.sql("CREATE TABLE items (id int PRIMARY KEY, note int8)");
    let columns = vec![column("id", ColumnType::Int4, false), column("note", ColumnType::Int8, false)];
    let target = table("items", columns, &["id"], Conflict::Fail);
    let sink = rig.sink(&target);
    for id in [1, 2] {
        rig.send(&sink, &target, &rows(vec![ColumnData::Int32s(vec![id]), ColumnData::Int64s(vec![7])]));
        rig.settle();
        rig.sql("ALTER TABLE items ALTER note TYPE float8");
    }
    assert_eq!(rig.query("SELECT * FROM items ORDER BY id"), ["1|7", "2|7"]);
    assert!(rig.told.downs.lock().unwrap().is_empty());
}

#[test]
fn a_trigger_that_refuses_every_statement_costs_only_rows() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.sql(
        "CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'closed today'; END $$;
        CREATE TRIGGER closed BEFORE INSERT ON items FOR EACH STATEMENT EXECUTE FUNCTION closed()",
    );
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows([(1, "x"), (2, "y")]));
    rig.settle();
    let reasons: Vec<_> = rig.letters.all().into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(reasons, ["sink `out`: closed today (P0001)"; 2]);
    rig.sql("DROP TRIGGER closed ON items");
    rig.send(&sink, &target, &item_rows([(3, "z")]));
    rig.settle();
    assert_eq!(rig.query("SELECT id FROM items"), ["3"]);
}

#[test]
fn a_lock_is_said_and_awaited() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.config.write_timeout = Duration::from_millis(300);
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.wait_up(1);
    rig.sql("BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
    rig.send(&sink, &target, &item_rows([(1, "x")]));
    rig.wait_down("canceling statement due to lock timeout (55P03)");
    assert_eq!(rig.ledger.committable(), None);
    rig.sql("COMMIT");
    rig.settle();
    assert_eq!(rig.query("SELECT id FROM items"), ["1"]);
}

#[test]
fn a_server_that_does_not_answer_is_said_and_awaited() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.sql(
        "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$;
        CREATE TRIGGER sleep BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION sleep()",
    );
    rig.config.write_timeout = Duration::from_millis(300);
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.wait_up(1);
    rig.send(&sink, &target, &item_rows([(1, "x"), (2, "y")]));
    rig.wait_down("2 rows in one transaction took too long, fewer are tried: no answer within 300ms");
    rig.wait_down("1 rows in one transaction took too long: no answer within 300ms");
    assert_eq!(rig.ledger.committable(), None);
    // What is given up holds no lock: its session was told to end.
    rig.sql("SET lock_timeout = '10s'; DROP TRIGGER sleep ON items");
    rig.settle();
    assert_eq!(rig.query("SELECT id FROM items ORDER BY id"), ["1", "2"]);
}

#[test]
fn a_server_that_only_reads_is_awaited() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    let target = items(Conflict::Fail);
    rig.sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$");
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows([(1, "x")]));
    rig.wait_down("in a read-only transaction (25006)");
    rig.sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$");
    rig.settle();
    assert_eq!(rig.query("SELECT id FROM items"), ["1"]);
    assert_eq!(rig.letters.all(), []);
}

#[test]
fn a_key_that_goes_is_awaited() {
    for on_conflict in [Conflict::Ignore, Conflict::Update] {
        let mut rig = Rig::new();
        rig.sql(ITEMS);
        let target = items(on_conflict);
        let sink = rig.sink(&target);
        rig.send(&sink, &target, &item_rows([(1, "x")]));
        rig.settle();
        rig.sql("ALTER TABLE items DROP CONSTRAINT items_pkey");
        rig.send(&sink, &target, &item_rows([(1, "y"), (2, "z")]));
        rig.wait_down("no unique or exclusion constraint matching the ON CONFLICT specification (42P10)");
        rig.sql("ALTER TABLE items ADD PRIMARY KEY (id)");
        rig.settle();
        assert_eq!(rig.query("SELECT count(*) FROM items"), ["2"]);
    }
}

#[test]
fn a_column_that_the_job_does_not_fill_is_awaited() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.wait_up(1);
    rig.sql("ALTER TABLE items ADD added int NOT NULL");
    rig.send(&sink, &target, &item_rows([(1, "x")]));
    rig.wait_down("(23502, column `added`): it has no default, and the job doesn't fill it");
    rig.sql("ALTER TABLE items ALTER added SET DEFAULT 0");
    rig.settle();
    assert_eq!(rig.query("SELECT * FROM items"), ["1|x|0"]);
    assert_eq!(rig.letters.all(), []);
}

#[test]
fn what_is_given_up_is_never_committed() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    // Not by COPY.
    rig.sql("CREATE RULE none AS ON DELETE TO items DO ALSO NOTHING");
    let target = items(Conflict::Fail);
    let sink = rig.sink(&target);
    rig.wait_up(1);
    rig.sql("BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
    rig.send(&sink, &target, &item_rows([(1, "x")]));
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pelton/test' AND wait_event_type = 'Lock'
                   AND datname = current_database()";
    eventually(PATIENCE, "it waits for the lock", || (rig.query(waiting) == ["1"]).then_some(()));
    drop(sink);
    rig.sql("COMMIT");
    let there =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pelton/test' AND datname = current_database()";
    eventually(PATIENCE, "its session has ended", || (rig.query(there) == ["0"]).then_some(()));
    assert_eq!(rig.query("SELECT count(*) FROM items"), ["0"]);
}

#[test]
fn good_rows_behind_bad_ones_get_through() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.sql(
        "CREATE TABLE known (id int); INSERT INTO known SELECT generate_series(100, 200);
        CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE one int; BEGIN
            SELECT id INTO STRICT one FROM known WHERE id = NEW.id; RETURN NEW; END $$;
        CREATE TRIGGER look BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION look()",
    );
    rig.config.max_rows = 4;
    let target = items(Conflict::Update);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows((0..8).map(|id| (id, "unknown"))));
    rig.wait_down("query returned no rows (P0002); so says it of every row");
    rig.send(&sink, &target, &item_rows((99..103).map(|id| (id, "known"))));
    rig.settle();
    assert_eq!(rig.query("SELECT id FROM items ORDER BY id"), ["100", "101", "102"]);
    assert_eq!(rig.letters.all().len(), 9);
}
