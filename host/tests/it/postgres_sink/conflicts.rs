//! Keys that are already there, from before or from the same batch.

use pelton::spec::{ColumnType, Conflict};

use super::rig::{ITEMS, Rig, column, item_rows, items, rows, table};
use pelton::record::{Column, ColumnData};

const FIRST: [(i32, &str); 2] = [(1, "one"), (2, "two")];
/// With a key that is there, and one that comes twice.
const SECOND: [(i32, &str); 4] = [(2, "deux"), (3, "drei"), (3, "trois"), (4, "quatre")];

/// The table after both batches, and the dead letters.
fn after_both(on_conflict: Conflict) -> (Vec<String>, Vec<(i64, String)>) {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    let target = items(on_conflict);
    let sink = rig.sink(&target);
    for batch in [&FIRST[..], &SECOND[..]] {
        rig.send(&sink, &target, &item_rows(batch.iter().copied()));
        rig.settle();
    }
    assert_eq!(rig.told.downs.lock().unwrap().as_slice(), [""; 0]);
    (rig.query("SELECT * FROM items ORDER BY id"), rig.letters.all())
}

#[test]
fn ignore_keeps_the_first() {
    assert_eq!(
        after_both(Conflict::Ignore),
        (["1|one", "2|two", "3|drei", "4|quatre"].map(String::from).into(), vec![])
    );
}

#[test]
fn update_keeps_the_last() {
    assert_eq!(
        after_both(Conflict::Update),
        (["1|one", "2|deux", "3|trois", "4|quatre"].map(String::from).into(), vec![])
    );
}

#[test]
fn fail_refuses_the_second() {
    let (table, letters) = after_both(Conflict::Fail);
    assert_eq!(table, ["1|one", "2|two", "3|drei", "4|quatre"]);
    let reason =
        "sink `out`: duplicate key value violates unique constraint \"items_pkey\" (23505, constraint `items_pkey`)";
    assert_eq!(letters, [(2, reason.to_owned()), (4, reason.to_owned())]);
}

#[test]
fn the_last_one_wins_over_many_chunks_and_ways() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.config.max_rows = 70;
    let target = items(Conflict::Update);
    let sink = rig.sink(&target);
    let mut expected = std::collections::BTreeMap::new();
    for n in 0..300 {
        let note = |i: i32| if (n + i) % 97 == 0 { "bad".to_owned() } else { format!("{n}/{i}") };
        let chunk: Vec<_> = (0..20).map(|i| ((n * 7 + i * 3) % 34, note(i))).collect();
        expected.extend(chunk.iter().filter(|(_, note)| note != "bad").cloned());
        rig.send(&sink, &target, &item_rows(chunk));
    }
    rig.settle();
    let expected: Vec<_> = expected.into_iter().map(|(id, note)| format!("{id}|{note}")).collect();
    assert_eq!(rig.query("SELECT * FROM items ORDER BY id"), expected);
    assert!(rig.letters.all().len() > 50);
}

#[test]
fn a_key_with_a_null_equals_no_other() {
    let mut rig = Rig::new();
    rig.sql("CREATE TABLE pairs (a int, b int, UNIQUE (a, b)); INSERT INTO pairs VALUES (1, NULL), (1, 1)");
    for on_conflict in [Conflict::Ignore, Conflict::Update] {
        let columns = vec![column("a", ColumnType::Int4, true), column("b", ColumnType::Int4, true)];
        let target = table("pairs", columns, &["b", "a"], on_conflict);
        let sink = rig.sink(&target);
        let mut chunk = rows(vec![ColumnData::Int32s(vec![1, 1, 1]), ColumnData::Int32s(vec![0, 0, 1])]);
        chunk.columns[1] = Column { validity: vec![0b100], data: chunk.columns[1].data.clone() };
        rig.send(&sink, &target, &chunk);
        rig.settle();
    }
    assert_eq!(rig.query("SELECT a, b, count(*) FROM pairs GROUP BY 1, 2 ORDER BY 2"), ["1|1|1", "1|∅|5"]);
    assert_eq!(rig.letters.all(), []);
}

#[test]
fn keys_that_only_postgres_knows_to_be_equal_are_updated_in_order() {
    let mut rig = Rig::new();
    rig.sql("CREATE TABLE prices (price numeric PRIMARY KEY, note text); INSERT INTO prices VALUES (1, 'old')");
    let columns = vec![column("price", ColumnType::Numeric, false), column("note", ColumnType::Text, true)];
    let target = table("prices", columns, &["price"], Conflict::Update);
    let sink = rig.sink(&target);
    let chunk = rows(vec![super::rig::packed(&["1.0", "2", "1.00"]), super::rig::packed(&["a", "b", "c"])]);
    rig.send(&sink, &target, &chunk);
    rig.settle();
    assert_eq!(rig.query("SELECT price::int, note FROM prices ORDER BY 1"), ["1|c", "2|b"]);
}

#[test]
fn a_full_chunk_is_cut_and_a_small_one_lingers() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.config.max_rows = 10;
    rig.config.linger = std::time::Duration::from_millis(300);
    let target = items(Conflict::Fail);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows((0..25).map(|i| (i, "x"))));
    rig.send(&sink, &target, &item_rows((25..29).map(|i| (i, "x"))));
    rig.settle();
    assert_eq!(rig.transactions(), 3);
    assert_eq!(rig.query("SELECT count(*), sum(id) FROM items"), ["29|406"]);
}
