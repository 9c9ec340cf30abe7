//! Columns and tables that are not the contract's own, and take what a job declares all the same.

use pelton::record::ColumnData;
use pelton::spec::{ColumnType, Conflict, Target};

use super::rig::{Rig, column, packed, rows, table};

const TYPES: &str = "
    CREATE EXTENSION citext;
    CREATE SCHEMA own;
    CREATE TYPE own.\"Mood\" AS ENUM ('fine', 'bad');
    CREATE DOMAIN own.moods AS own.\"Mood\" CHECK (VALUE <> 'bad');
    CREATE DOMAIN own.number AS int CHECK (VALUE < 100);
    CREATE DOMAIN own.code AS varchar(4);";

fn target(name: &str, others: &[&str], on_conflict: Conflict) -> Target {
    let mut columns = vec![column("id", ColumnType::Int4, false)];
    columns.extend(others.iter().map(|name| column(name, ColumnType::Text, false)));
    table(name, columns, &["id"], on_conflict)
}

/// Sends rows, each a number and texts, and waits until they are written or refused.
fn send(rig: &mut Rig, target: &Target, all: &[(i32, &[&str])]) {
    let sink = rig.sink(target);
    let texts = (0..all[0].1.len()).map(|i| packed(&all.iter().map(|(_, texts)| texts[i]).collect::<Vec<_>>()));
    let columns = [ColumnData::Int32s(all.iter().map(|(id, _)| *id).collect())].into_iter().chain(texts);
    rig.send(&sink, target, &rows(columns.collect()));
    rig.settle();
}

fn reasons(rig: &Rig) -> Vec<String> {
    rig.letters.all().into_iter().map(|(_, reason)| reason).collect()
}

#[test]
fn domains_enums_and_citext_take_text() {
    for on_conflict in [Conflict::Fail, Conflict::Ignore, Conflict::Update] {
        let mut rig = Rig::new();
        rig.sql(TYPES);
        rig.sql(
            "CREATE TABLE items (id own.number PRIMARY KEY, mood own.\"Mood\", moods own.moods, name citext, code own.code)",
        );
        let target = target("items", &["mood", "moods", "name", "code"], on_conflict);
        send(&mut rig, &target, &[(1, &["fine", "fine", "Ann", "abcd"]), (2, &["bad", "fine", "Bob", ""])]);
        let good = ["1|fine|fine|Ann|abcd", "2|bad|fine|Bob|∅".trim_end_matches('∅')];
        assert_eq!(rig.query("SELECT * FROM items ORDER BY id"), good);
        assert_eq!(rig.query("SELECT id FROM items WHERE name = 'ANN'"), ["1"]);
        send(
            &mut rig,
            &target,
            &[
                (3, &["so so", "fine", "", ""]),
                (4, &["fine", "bad", "", ""]),
                (5, &["fine", "fine", "", "12345"]),
                (100, &["fine", "fine", "", ""]),
                (6, &["fine", "fine", "Eve", "x"]),
            ],
        );
        assert_eq!(
            reasons(&rig),
            [
                "sink `out`: invalid input value for enum own.\"Mood\": \"so so\" (22P02)",
                "sink `out`: value for domain own.moods violates check constraint \"moods_check\" (23514, constraint \
                 `moods_check`)",
                "sink `out`: value too long for type character varying(4) (22001)",
                "sink `out`: value for domain own.number violates check constraint \"number_check\" (23514, constraint \
                 `number_check`)",
            ]
        );
        assert_eq!(rig.query("SELECT id FROM items WHERE id > 2"), ["6"]);
    }
}

#[test]
fn arrays_take_what_they_print_as() {
    let mut rig = Rig::new();
    rig.sql(TYPES);
    rig.sql("CREATE TABLE items (id int PRIMARY KEY, tags text[], numbers int[], moods own.\"Mood\"[])");
    let target = target("items", &["tags", "numbers", "moods"], Conflict::Update);
    send(&mut rig, &target, &[(1, &["{a,\"b c\"}", "{1,2}", "{fine,bad}"]), (2, &["{}", "{x}", "{}"])]);
    assert_eq!(rig.query("SELECT * FROM items"), ["1|{a,\"b c\"}|{1,2}|{fine,bad}"]);
    assert_eq!(reasons(&rig), ["sink `out`: invalid input syntax for type integer: \"x\" (22P02)"]);
}

#[test]
fn views_are_filled_by_themselves_and_by_triggers() {
    let mut rig = Rig::new();
    rig.sql(
        "CREATE TABLE items (id int PRIMARY KEY, note text CHECK (note <> 'bad'));
        CREATE VIEW seen AS SELECT id, note FROM items WHERE id < 100 WITH CHECK OPTION;
        CREATE VIEW pairs AS SELECT id, note, 1 AS one FROM items CROSS JOIN (SELECT 1) AS one;
        CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO items VALUES (NEW.id, NEW.note); RETURN NEW; END $$;
        CREATE TRIGGER put INSTEAD OF INSERT ON pairs FOR EACH ROW EXECUTE FUNCTION put()",
    );
    let seen = target("seen", &["note"], Conflict::Update);
    send(&mut rig, &seen, &[(1, &["x"]), (2, &["bad"]), (100, &["y"]), (1, &["z"])]);
    let both = target("pairs", &["note"], Conflict::Fail);
    send(&mut rig, &both, &[(3, &["w"]), (1, &["again"])]);
    assert_eq!(rig.query("SELECT * FROM items ORDER BY id"), ["1|z", "3|w"]);
    let reasons = reasons(&rig);
    assert!(
        reasons[0].contains("23514") && reasons[1].contains("44000") && reasons[2].contains("23505"),
        "{reasons:?}"
    );
}

#[test]
fn foreign_tables_are_filled() {
    let mut rig = Rig::new();
    rig.sql(
        "CREATE EXTENSION postgres_fdw; CREATE TABLE there (id int PRIMARY KEY, note text);
        DO $$ BEGIN
            EXECUTE format('CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host ''127.0.0.1'', port %L,
                dbname %L)', current_setting('port'), current_database());
        END $$;
        CREATE USER MAPPING FOR flinkuser SERVER other OPTIONS (user 'flinkuser', password 'flinkpassword');
        CREATE FOREIGN TABLE items (id int, note text) SERVER other OPTIONS (table_name 'there')",
    );
    let ignore = target("items", &["note"], Conflict::Ignore);
    send(&mut rig, &ignore, &[(1, &["x"]), (2, &["y"])]);
    send(&mut rig, &ignore, &[(2, &["again"]), (3, &["z"])]);
    assert_eq!(rig.query("SELECT * FROM there ORDER BY id"), ["1|x", "2|y", "3|z"]);
    assert!(reasons(&rig).is_empty());
}
