//! Values of every type arrive as they were sent, on every way into Postgres.

use pelton::record::{Column, ColumnData, Packed, Rows};
use pelton::spec::{ColumnType, Conflict, Target};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::rig::{Rig, column, packed, rows, statement, table};

/// A column: its type, three values, and how Postgres prints them.
fn cases() -> Vec<(ColumnType, ColumnData, [String; 3])> {
    let bytes = |items: [&[u8]; 3]| {
        let mut packed = Packed::default();
        items.iter().for_each(|item| packed.push(item));
        ColumnData::Packed(packed)
    };
    let long = "x".repeat(200_000);
    let case = |column_type, data, printed: [&str; 3]| (column_type, data, printed.map(str::to_owned));
    vec![
        case(ColumnType::Boolean, ColumnData::Booleans(vec![true, false, true]), ["t", "f", "t"]),
        case(ColumnType::Int2, ColumnData::Int16s(vec![i16::MIN, 0, i16::MAX]), ["-32768", "0", "32767"]),
        case(ColumnType::Int4, ColumnData::Int32s(vec![i32::MIN, 0, i32::MAX]), ["-2147483648", "0", "2147483647"]),
        case(
            ColumnType::Int8,
            ColumnData::Int64s(vec![i64::MIN, 0, i64::MAX]),
            ["-9223372036854775808", "0", "9223372036854775807"],
        ),
        case(ColumnType::Float4, ColumnData::Float32s(vec![f32::MIN, 1.5, f32::NAN]), ["-3.4028235e+38", "1.5", "NaN"]),
        case(
            ColumnType::Float8,
            ColumnData::Float64s(vec![f64::MIN, -0.0, f64::INFINITY]),
            ["-1.7976931348623157e+308", "-0", "Infinity"],
        ),
        case(
            ColumnType::Numeric,
            packed(&["-99999999999999999999.000000000000000001", "0.00", "NaN"]),
            ["-99999999999999999999.000000000000000001", "0.00", "NaN"],
        ),
        case(ColumnType::Text, packed(&["", "snøw ☃ \u{10ffff}", &long]), ["", "snøw ☃ \u{10ffff}", &long]),
        case(ColumnType::Varchar, packed(&["", "\u{1}'\"\\\t\n", "∅"]), ["", "\u{1}'\"\\\t\n", "∅"]),
        case(ColumnType::Bytea, bytes([b"", b"\0\xff\n", b"\\x"]), ["\\x", "\\x00ff0a", "\\x5c78"]),
        case(
            ColumnType::Timestamptz,
            ColumnData::Int64s(vec![-210_866_803_200_000_000, 1_714_644_612_123_456, i64::MAX]),
            ["4714-11-24 00:00:00+00 BC", "2024-05-02 10:10:12.123456+00", "294247-01-10 04:00:54.775807+00"],
        ),
        case(
            ColumnType::Timestamp,
            ColumnData::Int64s(vec![-210_866_803_200_000_000, -1, i64::MAX]),
            ["4714-11-24 00:00:00 BC", "1969-12-31 23:59:59.999999", "294247-01-10 04:00:54.775807"],
        ),
        case(
            ColumnType::Date,
            ColumnData::Int32s(vec![-2_440_588, 0, 2_145_042_905]),
            ["4714-11-24 BC", "1970-01-01", "5874897-12-31"],
        ),
        case(
            ColumnType::Uuid,
            bytes([&[0; 16], &[0xff; 16], b"0123456789abcdef"]),
            [
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "30313233-3435-3637-3839-616263646566",
            ],
        ),
        case(ColumnType::Json, packed(&["null", "{\"a\" :1, \"a\":2}", "[]"]), ["null", "{\"a\" :1, \"a\":2}", "[]"]),
        case(ColumnType::Jsonb, packed(&["null", "{\"a\" :1, \"a\":2}", "[]"]), ["null", "{\"a\": 2}", "[]"]),
    ]
}

/// Values between nulls, made into one batch with the ids 0 to 4; id 0 and 4 have nulls only.
fn between_nulls() -> (Rows, Vec<String>) {
    let mut all = rows(vec![ColumnData::Int32s((0..5).collect())]);
    let mut printed = vec![vec!["∅".to_owned(); cases().len()]; 5];
    for (at, (_, data, shown)) in cases().into_iter().enumerate() {
        fn widen<T: Copy>(v: &[T]) -> Vec<T> {
            vec![v[0], v[0], v[1], v[2], v[2]]
        }
        let data = match &data {
            ColumnData::Booleans(v) => ColumnData::Booleans(widen(v)),
            ColumnData::Int16s(v) => ColumnData::Int16s(widen(v)),
            ColumnData::Int32s(v) => ColumnData::Int32s(widen(v)),
            ColumnData::Int64s(v) => ColumnData::Int64s(widen(v)),
            ColumnData::Float32s(v) => ColumnData::Float32s(widen(v)),
            ColumnData::Float64s(v) => ColumnData::Float64s(widen(v)),
            ColumnData::Packed(v) => {
                let mut packed = Packed::default();
                // What lies under a null is ignored, whatever it is.
                [&b"\0\xff"[..], v.get(0).unwrap(), v.get(1).unwrap(), v.get(2).unwrap(), b""]
                    .iter()
                    .for_each(|item| packed.push(item));
                ColumnData::Packed(packed)
            }
        };
        all.columns.push(Column { validity: vec![0b01110], data });
        for (i, shown) in shown.into_iter().enumerate() {
            printed[i + 1][at] = shown;
        }
    }
    (all, printed.iter().map(|row| row.join("|")).collect())
}

fn sql_type(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Boolean => "boolean",
        ColumnType::Int2 => "smallint",
        ColumnType::Int4 => "integer",
        ColumnType::Int8 => "bigint",
        ColumnType::Float4 => "real",
        ColumnType::Float8 => "double precision",
        ColumnType::Numeric => "numeric",
        ColumnType::Text => "text",
        ColumnType::Varchar => "varchar(255)",
        ColumnType::Bytea => "bytea",
        ColumnType::Timestamptz => "timestamp with time zone",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Date => "date",
        ColumnType::Uuid => "uuid",
        ColumnType::Json => "json",
        ColumnType::Jsonb => "jsonb",
    }
}

fn arrive(target: &Target, prepare: &str, refused: usize) {
    let mut rig = Rig::new();
    let columns: Vec<_> = cases().iter().enumerate().map(|(i, case)| format!("c{i} {}", sql_type(case.0))).collect();
    rig.sql(&format!("CREATE TABLE everything (id int PRIMARY KEY, {})", columns.join(", ")));
    rig.sql(prepare);
    rig.sql("SET timezone = 'UTC'");
    let sink = rig.sink(target);
    let (batch, printed) = between_nulls();
    rig.send(&sink, target, &batch);
    rig.settle();
    assert_eq!(rig.letters.all().len(), refused);
    let names: Vec<_> = (0..cases().len()).map(|i| format!("c{i}")).collect();
    let found = rig.query(&format!("SELECT {} FROM everything ORDER BY id", names.join(", ")));
    assert_eq!(found, printed[..5 - refused]);
}

fn everything(on_conflict: Conflict) -> Target {
    let mut columns = vec![column("id", ColumnType::Int4, false)];
    columns.extend(cases().iter().enumerate().map(|(i, case)| column(&format!("c{i}"), case.0, true)));
    table("everything", columns, &["id"], on_conflict)
}

#[test]
fn by_copy() {
    arrive(&everything(Conflict::Fail), "", 0);
}

#[test]
fn by_upsert() {
    arrive(&everything(Conflict::Update), "INSERT INTO everything (id) VALUES (3)", 0);
}

#[test]
fn row_by_row() {
    arrive(&everything(Conflict::Ignore), "ALTER TABLE everything ADD CHECK (id <> 4)", 1);
}

#[test]
fn by_statement() {
    let marks = vec!["?"; cases().len() + 1].join(", ");
    let mut types = vec![ColumnType::Int4];
    types.extend(cases().iter().map(|case| case.0));
    arrive(&statement(&format!("INSERT INTO everything VALUES ({marks})"), &types), "", 0);
}

#[test]
fn numerics_are_what_postgres_itself_reads() {
    let mut rig = Rig::new();
    rig.sql("CREATE TABLE numbers (number numeric, source text)");
    let columns = vec![column("number", ColumnType::Numeric, false), column("source", ColumnType::Text, false)];
    let target = table("numbers", columns, &[], Conflict::Fail);
    let sink = rig.sink(&target);
    let mut runner = TestRunner::deterministic();
    let plain = "[+-]?([0-9]{1,30}\\.?|[0-9]{0,30}\\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?";
    let zeros = "-?0{0,9}[1-9]?0{0,9}(\\.0{0,9}[1-9]0{0,9})?(e-?[0-9]{1,3})?"
        .prop_filter("digits", |text: &String| text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()));
    let mut sources: Vec<String> = (0..3000).map(|_| plain.new_tree(&mut runner).unwrap().current()).collect();
    sources.extend((0..3000).map(|_| zeros.new_tree(&mut runner).unwrap().current()));
    sources.extend(["NaN", "inf", "-Infinity", "1e131071", "-1e-16383", "0e-16383", " 7 "].map(str::to_owned));
    sources.push(format!("{}.{}", "9".repeat(131_072), "9".repeat(16_383)));
    let count = sources.len();
    rig.send(&sink, &target, &rows(vec![packed(&sources), packed(&sources)]));
    rig.settle();
    assert_eq!(rig.letters.all(), []);
    assert_eq!(rig.query("SELECT count(*) FROM numbers"), [count.to_string()]);
    let differ = "SELECT source, left(number::text, 99) FROM numbers WHERE number::text <> source::numeric::text";
    assert_eq!(rig.query(differ), [""; 0]);
}
