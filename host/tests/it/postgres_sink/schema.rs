//! What a submit is told about tables and statements that don't fit.

use pelton::connect::postgres::{self, Session};
use pelton::spec::{ColumnType, Conflict, Target};

use super::rig::{Rig, column, item_rows, rows, statement, table};

fn problems(rig: &Rig, target: &Target) -> Vec<String> {
    let problems = rig.runtime.block_on(postgres::check(rig.admin(), target)).unwrap();
    problems.iter().map(ToString::to_string).collect()
}

fn article(on_conflict: Conflict) -> Target {
    let columns = vec![
        column("message_id", ColumnType::Varchar, false),
        column("sensor_id", ColumnType::Int4, false),
        column("message", ColumnType::Text, false),
        column("timestamp", ColumnType::Timestamptz, false),
    ];
    table("raw_sensors_data", columns, &["message_id"], on_conflict)
}

#[test]
fn the_articles_table_fits() {
    let rig = Rig::new();
    rig.sql(
        "CREATE TABLE raw_sensors_data (message_id VARCHAR(255) PRIMARY KEY, sensor_id INT NOT NULL,
            message TEXT NOT NULL, timestamp TIMESTAMPTZ NOT NULL)",
    );
    for on_conflict in [Conflict::Fail, Conflict::Ignore, Conflict::Update] {
        assert_eq!(problems(&rig, &article(on_conflict)), [""; 0]);
    }
}

#[test]
fn a_missing_table_can_be_created() {
    let mut rig = Rig::new();
    let target = article(Conflict::Ignore);
    let found = rig.runtime.block_on(postgres::check(rig.admin(), &target)).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].text.as_str(), found[0].creatable), ("table `raw_sensors_data` is missing", true));
    let Target::Table(declared) = &target else { unreachable!() };
    for _ in 0..2 {
        rig.runtime.block_on(postgres::create(rig.admin(), declared)).unwrap();
    }
    assert_eq!(problems(&rig, &target), [""; 0]);

    let odd = vec![column("a\"b", ColumnType::Int4, true), column("SELECT", ColumnType::Text, true)];
    let target = table("\"odd.name\"", odd, &["a\"b"], Conflict::Update);
    let Target::Table(declared) = &target else { unreachable!() };
    rig.runtime.block_on(postgres::create(rig.admin(), declared)).unwrap();
    assert_eq!(problems(&rig, &target), [""; 0]);
    let sink = rig.sink(&target);
    for note in ["x", "y"] {
        rig.send(&sink, &target, &item_rows([(1, note)]));
        rig.settle();
    }
    assert_eq!(rig.query("TABLE \"odd.name\""), ["1|y"]);
}

#[test]
fn each_difference_is_said() {
    let mut rig = Rig::new();
    rig.sql(
        "CREATE SCHEMA iot; CREATE DOMAIN code AS varchar(8);
        CREATE TABLE iot.\"Readings\" (
            id bigint, note char(9), amount int, kind code, doc json, twice int GENERATED ALWAYS AS (amount * 2) STORED,
            number int GENERATED ALWAYS AS IDENTITY, filled int NOT NULL DEFAULT 1, forgotten int NOT NULL,
            tags text[], UNIQUE (id, note), UNIQUE (kind) DEFERRABLE);
        CREATE UNIQUE INDEX ON iot.\"Readings\" (amount) WHERE amount > 0;
        CREATE UNIQUE INDEX ON iot.\"Readings\" (lower(note));
        CREATE MATERIALIZED VIEW iot.seen AS SELECT * FROM iot.\"Readings\"",
    );
    let columns = || {
        vec![
            column("id", ColumnType::Int4, true),
            column("note", ColumnType::Text, true),
            column("kind", ColumnType::Text, true),
            column("doc", ColumnType::Jsonb, true),
            column("twice", ColumnType::Int4, true),
            column("number", ColumnType::Int4, true),
            column("filled", ColumnType::Int4, true),
            column("tags", ColumnType::Text, true),
            column("amount", ColumnType::Boolean, true),
            column("absent", ColumnType::Int4, true),
        ]
    };
    let target = table("iot.Readings", columns(), &["id"], Conflict::Ignore);
    assert_eq!(
        problems(&rig, &target),
        [
            "column `id` is `bigint`, the job declares `int4`",
            "column `doc` is `json`, the job declares `jsonb`",
            "column `twice` is generated, so the job can't fill it",
            "column `number` is generated, so the job can't fill it",
            "column `filled` is NOT NULL, the job may send nulls",
            "column `amount` is `integer`, the job declares `boolean`",
            "column `absent` is missing",
            "column `forgotten` is NOT NULL without a default, and the job doesn't fill it",
            "there is no unique constraint on exactly (`id`)",
        ]
    );
    // No other index will do: deferrable, partial, on an expression, or with a column more.
    for key in [&["kind"][..], &["amount"], &["note"], &["id", "note", "kind"]] {
        let target = table("iot.Readings", columns(), key, Conflict::Ignore);
        let names = key.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let expected = format!("there is no unique constraint on exactly ({names})");
        assert_eq!(problems(&rig, &target).last(), Some(&expected));
    }
    let target = table("iot.Readings", columns(), &["note", "id"], Conflict::Ignore);
    assert!(!problems(&rig, &target).iter().any(|problem| problem.contains("unique")));

    for (name, expected) in [
        ("iot.readings", "table `iot.readings` is missing"),
        ("Readings", "table `Readings` is missing"),
        ("nowhere.x", "table `nowhere.x` is missing"),
        ("iot.seen", "`iot.seen` is neither a table nor a view"),
        ("a.b.c", "`a.b.c` is neither `table` nor `schema.table`"),
    ] {
        assert_eq!(problems(&rig, &table(name, columns(), &["id"], Conflict::Fail)), [expected]);
    }
    rig.sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = iot', current_database()); END $$");
    rig.connect_again();
    assert_eq!(problems(&rig, &table("Readings", columns(), &["id"], Conflict::Ignore)).len(), 9);
}

#[test]
fn a_declaration_at_odds_with_itself_is_said() {
    let rig = Rig::new();
    rig.sql("CREATE TABLE t (a int)");
    let twice = vec![column("a", ColumnType::Int4, true), column("a", ColumnType::Int4, true)];
    assert_eq!(
        problems(&rig, &table("t", twice, &["b"], Conflict::Fail)),
        [
            "the job declares column `a` twice",
            "key column `b` is not among the columns that the job declares",
            "there is no unique constraint on exactly (`b`)",
        ]
    );
    assert_eq!(
        problems(&rig, &table("t", vec![], &[], Conflict::Update)),
        ["the job declares no columns", "the job says what happens on a conflict, but declares no key"]
    );
}

#[test]
fn missing_privileges_are_said() {
    let rig = Rig::new();
    rig.sql(
        "CREATE ROLE reader LOGIN PASSWORD 'reader'; CREATE TABLE t (id int PRIMARY KEY, a int);
        GRANT SELECT (id), INSERT (a) ON t TO reader",
    );
    let columns = vec![column("id", ColumnType::Int4, false), column("a", ColumnType::Int4, true)];
    let target = table("t", columns, &["id"], Conflict::Update);
    let found = rig.runtime.block_on(async {
        let url = rig.url_as("reader", "reader");
        let session = Session::connect(&url, "pelton/test", std::time::Duration::from_secs(10)).await.unwrap();
        postgres::check(session.client(), &target).await.unwrap()
    });
    rig.sql("DROP OWNED BY reader");
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "the INSERT privilege on column `id` is not granted to `reader`",
            "the SELECT privilege on column `a` is not granted to `reader`",
            "the UPDATE privilege on column `a` is not granted to `reader`",
        ]
    );
}

#[test]
fn statements_are_prepared() {
    let rig = Rig::new();
    rig.sql("CREATE TABLE t (id int PRIMARY KEY, doc jsonb)");
    let int = ColumnType::Int4;
    for (sql, placeholders, expected) in [
        ("INSERT INTO t (id) VALUES (?)", &[int][..], None),
        ("UPDATE t SET id = $1 WHERE doc ? 'x'", &[int], None),
        ("DELETE FROM t WHERE doc ?? 'x' AND id = ?;", &[int], None),
        ("INSERT INTO t (id) VALUES (?)", &[int, int], Some("the statement has 1 placeholders, the job declares 2")),
        ("SELECT * FROM t", &[], Some("the statement must be one INSERT, UPDATE or DELETE, it is `SELECT`")),
        ("drop table t", &[], Some("the statement must be one INSERT, UPDATE or DELETE, it is `DROP`")),
        ("", &[], Some("the statement must be one INSERT, UPDATE or DELETE, it is empty")),
        (
            "INSERT INTO absent VALUES (?)",
            &[int],
            Some("the statement can't be prepared: relation \"absent\" does not exist (42P01)"),
        ),
        (
            "INSERT INTO t (doc) VALUES (?)",
            &[int],
            Some(
                "the statement can't be prepared: column \"doc\" is of type jsonb but expression is of type integer (42804)",
            ),
        ),
        (
            "DELETE FROM t; DELETE FROM t",
            &[],
            Some("the statement can't be prepared: cannot insert multiple commands into a prepared statement (42601)"),
        ),
    ] {
        assert_eq!(problems(&rig, &statement(sql, placeholders)), Vec::from_iter(expected), "{sql}");
    }
}

#[test]
fn a_row_that_a_fitting_check_let_through_is_written() {
    let mut rig = Rig::new();
    let columns = vec![column("at", ColumnType::Timestamp, false)];
    let target = table("public.times", columns, &[], Conflict::Fail);
    let Target::Table(declared) = &target else { unreachable!() };
    rig.runtime.block_on(postgres::create(rig.admin(), declared)).unwrap();
    let sink = rig.sink(&target);
    rig.send(
        &sink,
        &target,
        &rows(vec![pelton::record::ColumnData::Int64s(vec![0, -210_866_803_200_000_001, i64::MIN])]),
    );
    rig.settle();
    assert_eq!(rig.query("SELECT * FROM times"), ["1970-01-01 00:00:00"]);
    let reasons: Vec<_> = rig.letters.all().into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(
        reasons,
        [
            "column `at`: microsecond -210866803200000001 from 1970-01-01 is out of Postgres's range",
            "column `at`: microsecond -9223372036854775808 from 1970-01-01 is out of Postgres's range",
        ]
    );
}
