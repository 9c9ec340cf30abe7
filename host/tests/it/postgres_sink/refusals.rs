//! Rows that Postgres won't take, among many that it does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;

use pelton::connect::postgres::PostgresSink;
use pelton::record::ColumnData;
use pelton::spec::{ColumnType, Conflict, Target};

use crate::eventually::eventually;

use super::rig::{ITEMS, PATIENCE, Rig, Told, column, item_rows, items, packed, rows, statement, table};

const READINGS: &str = "
    CREATE TABLE sensors (id int PRIMARY KEY);
    INSERT INTO sensors SELECT generate_series(1, 34);
    CREATE TABLE readings (
        id int PRIMARY KEY,
        sensor int NOT NULL REFERENCES sensors DEFERRABLE INITIALLY DEFERRED,
        code varchar(8) UNIQUE,
        body json,
        level int CHECK (level < 100)
    );
    CREATE FUNCTION no_thirteen() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.level = 13 THEN RAISE EXCEPTION 'thirteen is unlucky'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER lucky BEFORE INSERT ON readings FOR EACH ROW EXECUTE FUNCTION no_thirteen();";

fn readings(on_conflict: Conflict) -> Target {
    let columns = vec![
        column("id", ColumnType::Int4, false),
        column("sensor", ColumnType::Int4, false),
        column("code", ColumnType::Text, true),
        column("body", ColumnType::Json, true),
        column("level", ColumnType::Int4, true),
    ];
    table("readings", columns, &["id"], on_conflict)
}

/// Every kind of badness that Postgres finds, and what it says.
const KINDS: [(&str, &str); 6] = [
    ("foreign key", "(23503, constraint `readings_sensor_fkey`)"),
    ("too long", "value too long for type character varying(8) (22001)"),
    ("other unique key", "(23505, constraint `readings_code_key`)"),
    ("json", "invalid input syntax for type json (22P02)"),
    ("check", "(23514, constraint `readings_level_check`)"),
    ("trigger", "thirteen is unlucky (P0001)"),
];

fn two_in_a_hundred_are_bad(target: &Target) {
    const ROWS: usize = 10_000;
    let mut rig = Rig::new();
    rig.sql(READINGS);
    let sink = rig.sink(target);
    let kind = |i: usize| (i % 50 == 17).then_some(i / 50 % KINDS.len());
    let mut expected = BTreeMap::new();
    for chunk in (0..ROWS).collect::<Vec<_>>().chunks(700) {
        let value = |bad: usize, good: String, instead: &str| {
            let of =
                |&i: &usize| if kind(i) == Some(bad) { instead.to_owned() } else { good.replace('#', &i.to_string()) };
            packed(&chunk.iter().map(of).collect::<Vec<_>>())
        };
        let number = |of: &dyn Fn(usize) -> i32| ColumnData::Int32s(chunk.iter().map(|&i| of(i)).collect());
        rig.send(
            &sink,
            target,
            &rows(vec![
                number(&|i| i as i32),
                number(&|i| if kind(i) == Some(0) { 99 } else { i as i32 % 34 + 1 }),
                match value(1, "c#".to_owned(), "far too long") {
                    ColumnData::Packed(codes) => {
                        let code = |(&i, code): (&usize, &[u8])| {
                            if kind(i) == Some(2) { "c3".to_owned() } else { String::from_utf8(code.to_vec()).unwrap() }
                        };
                        packed(&chunk.iter().zip(codes.iter()).map(code).collect::<Vec<_>>())
                    }
                    other => other,
                },
                value(3, "{\"n\": #}".to_owned(), "{"),
                number(&|i| match kind(i) {
                    Some(4) => 100,
                    Some(5) => 13,
                    _ => 50,
                }),
            ]),
        );
        expected.extend(chunk.iter().filter_map(|&i| Some((i as i64, KINDS[kind(i)?].1))));
    }
    rig.settle();

    let letters = rig.letters.all();
    assert_eq!(letters.len(), expected.len());
    for ((offset, reason), (&bad, says)) in letters.iter().zip(&expected) {
        assert_eq!(*offset, bad);
        assert!(reason.contains(says), "{reason} for {says}");
    }
    let good = (0..ROWS).filter(|&i| kind(i).is_none());
    let (count, sum) = good.fold((0, 0), |(count, sum), i| (count + 1, sum + i));
    assert_eq!(rig.query("SELECT count(*), sum(id) FROM readings"), [format!("{count}|{sum}")]);
    assert_eq!(rig.told.rows.load(Ordering::SeqCst), count);
    assert_eq!(rig.told.downs.lock().unwrap().as_slice(), [""; 0]);
}

#[test]
fn a_table_loses_only_the_bad_rows() {
    two_in_a_hundred_are_bad(&readings(Conflict::Fail));
}

#[test]
fn a_table_with_upsert_loses_only_the_bad_rows() {
    two_in_a_hundred_are_bad(&readings(Conflict::Update));
}

#[test]
fn a_statement_loses_only_the_bad_rows() {
    use ColumnType::{Int4, Json, Text};
    let sql = "INSERT INTO readings (id, sensor, code, body, level) VALUES (?, ?, ?, ?, ?)";
    two_in_a_hundred_are_bad(&statement(sql, &[Int4, Int4, Text, Json, Int4]));
}

#[test]
fn rows_that_are_all_bad_are_all_refused() {
    let mut rig = Rig::new();
    rig.config.hold_after = 0;
    rig.sql(ITEMS);
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows((0..500).map(|i| (i, "bad"))));
    rig.settle();
    assert_eq!(rig.letters.all().len(), 500);
    assert_eq!(rig.query("SELECT count(*) FROM items"), ["0"]);
    assert_eq!(rig.told.rows.load(Ordering::SeqCst), 0);
}

#[test]
fn a_row_against_a_policy_is_refused_and_a_missing_privilege_is_not_its_fault() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.sql(
        "CREATE ROLE clerk LOGIN PASSWORD 'clerk'; GRANT SELECT, INSERT ON items TO clerk;
        ALTER TABLE items ENABLE ROW LEVEL SECURITY; CREATE POLICY even ON items USING (id % 2 = 0)",
    );
    rig.config.url = rig.url_as("clerk", "clerk");
    let target = items(Conflict::Ignore);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows((0..4).map(|i| (i, "x"))));
    rig.settle();
    assert_eq!(rig.query("SELECT id FROM items ORDER BY id"), ["0", "2"]);
    assert_eq!(rig.letters.all().iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [1, 3]);

    rig.sql("REVOKE INSERT ON items FROM clerk");
    rig.send(&sink, &target, &item_rows([(4, "x")]));
    rig.wait_down("permission denied for table items (42501)");
    rig.sql("GRANT INSERT ON items TO clerk");
    rig.settle();
    assert_eq!(rig.query("SELECT id FROM items ORDER BY id"), ["0", "2", "4"]);
    assert_eq!(rig.letters.all().len(), 2);
    drop(sink);
    eventually_gone(&rig);
    rig.sql("DROP OWNED BY clerk; DROP ROLE clerk");
}

/// The role can go only once the sink's session has.
fn eventually_gone(rig: &Rig) {
    crate::eventually::eventually(super::rig::PATIENCE, "the sink's session is gone", || {
        (rig.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'clerk'") == ["0"]).then_some(())
    });
}

/// Sends rows one by one, so that each is a transaction of its own, or nearly.
fn trickle(rig: &mut Rig, sink: &PostgresSink, target: &Target, ids: Range<i32>, note: &str) {
    ids.for_each(|id| rig.send(sink, target, &item_rows([(id, note)])));
}

#[test]
fn a_table_that_refuses_row_after_row_holds_the_sink() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.config.hold_after = 20;
    let target = items(Conflict::Fail);
    let sink = rig.sink(&target);
    let held = |rig: &Rig, told: &str| {
        eventually(PATIENCE, told, || {
            let refuses = rig.told.refuses.lock().unwrap();
            refuses.as_ref().is_some_and(|(reason, is_held)| *is_held && reason.contains(told)).then_some(())
        });
    };
    // One here and there is a dead letter.
    trickle(&mut rig, &sink, &target, 0..5, "bad");
    trickle(&mut rig, &sink, &target, 5..6, "good");
    rig.settle();
    assert_eq!((rig.letters.all().len(), rig.told.refuses.lock().unwrap().clone()), (5, None));
    // In one transaction or in many.
    rig.send(&sink, &target, &item_rows((6..16).map(|id| (id, "bad"))));
    trickle(&mut rig, &sink, &target, 16..50, "bad");
    held(&rig, "refuses every row of sink `out`, 21 in a row");
    assert_eq!(rig.letters.all().len(), 25, "and no more");
    // A good one among those that wait says that the bad ones are the rows' own fault.
    trickle(&mut rig, &sink, &target, 50..51, "good");
    rig.settle();
    assert_eq!((rig.letters.all().len(), rig.told.refuses.lock().unwrap().clone()), (49, None));
    // Mended, the rows are written.
    rig.send(&sink, &target, &item_rows((51..100).map(|id| (id, "bad"))));
    held(&rig, "21 in a row");
    rig.sql("ALTER TABLE items DROP CONSTRAINT items_note_check");
    rig.settle();
    assert_eq!(rig.letters.all().len(), 49 + 20);
    assert_eq!(rig.query("SELECT count(*), min(id), max(id) FROM items"), ["31|5|99"]);
    assert_eq!(*rig.told.refuses.lock().unwrap(), None);
}

#[test]
fn one_that_has_never_taken_a_row_is_held_sooner_and_one_may_never_be() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    let target = items(Conflict::Fail);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows((0..50).map(|id| (id, "bad"))));
    let is_held = |told: &Told| told.refuses.lock().unwrap().as_ref().is_some_and(|(_, is_held)| *is_held);
    eventually(PATIENCE, "it is held", || is_held(&rig.told).then_some(()));
    assert_eq!(rig.letters.all().len(), 10);
    drop(sink);
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.config.hold_after = 0;
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows((0..500).map(|id| (id, "bad"))));
    rig.settle();
    assert_eq!(rig.letters.all().len(), 500);
    let told = rig.told.refuses.lock().unwrap().clone().unwrap();
    assert!(told.0.contains("500 in a row, so they are dead letters") && !told.1, "{told:?}");
}
