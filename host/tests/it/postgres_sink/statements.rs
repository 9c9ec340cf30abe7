//! A job's own statement, once for each row.

use pelton::record::ColumnData;
use pelton::spec::ColumnType;

use super::rig::{ITEMS, Rig, item_rows, packed, rows, statement};

#[test]
fn insert_update_and_delete() {
    let mut rig = Rig::new();
    rig.sql(ITEMS);
    rig.config.statement_linger = std::time::Duration::from_millis(50);

    let target = statement("INSERT INTO items VALUES (?, ? || '?')", &[ColumnType::Int4, ColumnType::Text]);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows((0..450).map(|i| (i, i.to_string()))));
    rig.settle();
    assert_eq!(rig.transactions(), 3, "200 rows each");
    assert_eq!(rig.query("SELECT count(*), count(*) FILTER (WHERE note = id || '?') FROM items"), ["450|450"]);

    let target = statement("UPDATE items SET note = $2 WHERE id = $1", &[ColumnType::Int4, ColumnType::Varchar]);
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &item_rows([(7, "first"), (8, "eight"), (7, "last"), (1000, "nowhere")]));
    rig.settle();
    assert_eq!(rig.query("SELECT * FROM items WHERE id IN (7, 8) ORDER BY id"), ["7|last", "8|eight"]);

    let target = statement(
        "WITH old AS (SELECT id FROM items WHERE note = ?) DELETE FROM items USING old WHERE items.id = old.id",
        &[ColumnType::Text],
    );
    let sink = rig.sink(&target);
    rig.send(&sink, &target, &rows(vec![packed(&["last", "eight", "100?"])]));
    rig.settle();
    assert_eq!(rig.query("SELECT count(*) FROM items"), ["447"]);
    assert_eq!(rig.letters.all(), []);
}

#[test]
fn a_statement_refuses_its_bad_rows_only() {
    let mut rig = Rig::new();
    rig.sql(
        "CREATE TABLE counts (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counts SELECT generate_series(0, 9), 60",
    );
    let target = statement("UPDATE counts SET n = ? / (n - ?) WHERE id = ?", &[ColumnType::Int4; 3]);
    let sink = rig.sink(&target);
    let numbers = |values: &[i32]| ColumnData::Int32s(values.to_vec());
    rig.send(&sink, &target, &rows(vec![numbers(&[118, 1, 4]), numbers(&[1, 2, 0]), numbers(&[0, 0, 0])]));
    rig.settle();
    // 118 / (60 - 1) = 2; then 1 / (2 - 2); then 4 / (2 - 0) = 2.
    assert_eq!(rig.query("SELECT n FROM counts WHERE id = 0"), ["2"]);
    assert_eq!(rig.letters.all(), [(1, "sink `out`: division by zero (22012)".to_owned())]);
}

/// The recipe of `docs/jobs.md` for a count: several rows of a key in one transaction each count, and what comes again
/// after a crash does not.
#[test]
fn a_count_that_knows_its_offset_counts_once() {
    let page = include_str!("../../../../docs/jobs.md");
    let between = |from: &str, to: &str| {
        let (_, rest) = page.split_once(from).unwrap();
        rest.split_once(to).unwrap().0
    };
    let mut rig = Rig::new();
    rig.sql(&format!("CREATE TABLE counts{}", between("CREATE TABLE counts", ";")));
    let sql = between("COUNT = \"\"\"", "\"\"\"");
    let target = statement(sql, &[ColumnType::Text, ColumnType::Int4, ColumnType::Int8]);
    let sink = rig.sink(&target);
    let send = |rig: &mut Rig, partition: i32, sensors: &[&str], from: i64| {
        let offsets = (from..).take(sensors.len()).collect();
        let partitions = ColumnData::Int32s(vec![partition; sensors.len()]);
        rig.send(&sink, &target, &rows(vec![packed(sensors), partitions, ColumnData::Int64s(offsets)]));
        rig.settle();
    };
    send(&mut rig, 0, &["a", "a", "b", "a"], 10);
    send(&mut rig, 1, &["a"], 0);
    let counts =
        format!("SELECT{}", between("\nSELECT", ";").replace("GROUP BY sensor", "GROUP BY sensor ORDER BY sensor"));
    assert_eq!(rig.query(&counts), ["a|4", "b|1"]);
    // From offset 11 on once more, cut otherwise, and two that are new.
    send(&mut rig, 0, &["a"], 11);
    send(&mut rig, 0, &["b", "a", "a", "b"], 12);
    assert_eq!(rig.query(&counts), ["a|5", "b|2"]);
    assert_eq!(rig.letters.all(), []);
}
