//! The guests in `tests/guests` that are not bad: every column type, a statement, and records passed on unchanged.

use std::ffi::OsStr;
use std::fs;

use serde_json::json;

use super::records;
use crate::core_module;
use crate::eventually::eventually;
use crate::kafka::Record;
use crate::stage::{RUN, guest, require_stage};

/// The columns of `all_types`, as the job declares them.
const COLUMNS: [&str; 16] = [
    "id",
    "boolean",
    "int2",
    "int4",
    "float4",
    "float8",
    "numeric",
    "text",
    "varchar",
    "bytea",
    "timestamptz",
    "timestamp",
    "date",
    "uuid",
    "json",
    "jsonb",
];

#[test]
pub(super) fn all_types() {
    let stage = require_stage!();
    stage.kafka.create_topic("all_types", 1, &[]);
    let full = json!({
        "id": 2, "boolean": true, "int2": -2, "int4": 4, "float4": 0.5, "float8": -8.25, "numeric": "-12.50",
        "text": "é\n\u{1F600}", "varchar": "v", "bytea": "00ff", "timestamptz": 1_714_644_672_123_456_i64,
        "timestamp": -1, "date": 19845, "uuid": "00112233-4455-6677-8899-aabbccddeeff", "json": "[1,  2]",
        "jsonb": "{\"b\": 1, \"a\": null}"
    });
    let extreme = json!({
        "id": i64::MIN, "boolean": false, "int2": i16::MIN, "int4": i32::MAX, "float4": -1.5e38, "float8": 1e308,
        "numeric": "123456789012345678901234567890.000000000000000000001", "text": "", "varchar": "x".repeat(100_000),
        "bytea": "", "timestamptz": -62_135_596_800_000_000_i64, "timestamp": 253_402_300_799_999_999_i64,
        "date": -719_162, "uuid": "ffffffffffffffffffffffffffffffff", "json": "null", "jsonb": "\"\""
    });
    let inputs = [
        json!({"id": 1}),
        full.clone(),
        extreme,
        json!({"id": 3, "numeric": "twelve"}),
        json!({"id": 4, "text": "a\u{0}b"}),
        json!({"id": 5, "json": "{"}),
        json!({"id": 6, "jsonb": "{\"a\": \"\\u0000\"}"}),
        json!({"id": 7, "timestamptz": i64::MIN}),
        json!({"id": 8, "date": i32::MIN}),
        json!({"id": 9, "numeric": "NaN", "text": "after the bad ones"}),
    ];
    let values: Vec<String> = inputs.iter().map(ToString::to_string).collect();
    stage.kafka.produce("all_types", &records(&values));
    let mut host = stage.host();
    host.start();
    host.submit(guest("all_types"), &["--create"]);
    let group = stage.kafka.watch("pelton-all_types", "all_types");
    crate::eventually::eventually(crate::stage::RUN, "all is committed", || {
        (group.committed() == [Some(10)]).then_some(())
    });

    let columns = COLUMNS.map(|name| format!("left(\"{name}\"::text, 60)")).join(", ");
    let rows = stage.query(&format!("SELECT {columns} FROM all_types WHERE id <> 9 ORDER BY id"));
    let found: Vec<Vec<Option<&str>>> =
        rows.iter().map(|row| (0..COLUMNS.len()).map(|i| row.get(i)).collect()).collect();
    let long = "x".repeat(60);
    let extreme = [
        "-9223372036854775808",
        "false",
        "-32768",
        "2147483647",
        "-1.5e+38",
        "1e+308",
        "123456789012345678901234567890.000000000000000000001",
        "",
        &long,
        "\\x",
        "0001-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999",
        "0001-01-01",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "null",
        "\"\"",
    ];
    let full = [
        "2",
        "true",
        "-2",
        "4",
        "0.5",
        "-8.25",
        "-12.50",
        "é\n\u{1F600}",
        "v",
        "\\x00ff",
        "2024-05-02 10:11:12.123456+00",
        "1969-12-31 23:59:59.999999",
        "2024-05-02",
        "00112233-4455-6677-8899-aabbccddeeff",
        "[1,  2]",
        "{\"a\": null, \"b\": 1}",
    ];
    let mut nulls = [None; 16];
    nulls[0] = Some("1");
    assert_eq!(found, [extreme.map(Some).to_vec(), nulls.to_vec(), full.map(Some).to_vec()]);
    let rows = stage.query("SELECT numeric::text, text FROM all_types WHERE id = 9");
    assert_eq!((rows[0].get(0), rows[0].get(1)), ("NaN", "after the bad ones"));

    let letters = stage.kafka.read_all("all_types.dlq");
    let told: Vec<(&str, &str, &str)> = letters
        .iter()
        .map(|letter| {
            let text = |name| letter.header_text(name).unwrap();
            (text("pelton.offset"), text("pelton.stage"), text("pelton.error"))
        })
        .collect();
    let mut offsets: Vec<&str> = told.iter().map(|(offset, ..)| *offset).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, ["3", "4", "5", "6", "7", "8"], "{told:?}");
    assert!(told.iter().all(|(_, stage, _)| *stage == "sink"), "{told:?}");
    for (offset, words) in
        [("3", "numeric"), ("4", "text"), ("5", "json"), ("6", "22P05"), ("7", "timestamptz"), ("8", "date")]
    {
        assert!(told.iter().any(|(found, _, error)| *found == offset && error.contains(words)), "{words}: {told:?}");
    }
}

#[test]
pub(super) fn identity() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[]);
    stage.kafka.create_topic("alerts", 1, &[]);
    let written = [
        Record::new("plain").timestamp(1_700_000_000_123),
        Record::new([0, 159, 146, 150]).key("k").timestamp(1_700_000_000_124).header("a", Some(b"1")).header("a", None),
        Record::tombstone().key([0xff]).timestamp(1_700_000_000_125),
        Record::new("").key("").timestamp(1_700_000_000_126).header("", Some(&[0xff])),
    ];
    stage.kafka.produce("sensors", &written);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    stage.wait_until_done("identity");
    let mut read = stage.kafka.read_all("alerts");
    for record in &mut read {
        (record.partition, record.offset) = (-1, -1);
    }
    assert_eq!(read, written);
}

#[test]
pub(super) fn sensor_statement() {
    let stage = require_stage!();
    stage.set(1);
    let reading = |id: &str| {
        format!(
            r#"{{"message_id": "{id}", "sensor_id": 7, "message": {{"temperature": 20.5}}, "timestamp": "2024-05-02T10:11:12+00:00"}}"#
        )
    };
    let values = [reading("a"), reading(&"long".repeat(100)), "no JSON".to_owned(), reading("a"), reading("b")];
    stage.kafka.produce("sensors", &records(&values));
    let mut host = stage.host();
    host.start();
    host.submit(guest("sensor_statement"), &[]);
    stage.wait_until_done("sensor_statement");
    let rows = stage.query("SELECT message_id, sensor_id, message FROM raw_sensors_data ORDER BY 1");
    let found: Vec<(&str, i32, &str)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(found, [("a", 7, r#"{"temperature": 20.5}"#), ("b", 7, r#"{"temperature": 20.5}"#)]);
    let too_long = "sink `readings`: value too long for type character varying(255) (22001)";
    let letter = |offset, stage: &str, error: &str| (offset, stage.to_owned(), error.to_owned());
    assert_eq!(
        stage.reasons("sensor_statement"),
        [letter(1, "sink", too_long), letter(2, "reject", "value is not JSON: expected a value at line 1 column 1"),]
    );
}

/// WASI preview 1 through the adapter, as a component and as the core module that a compiler prints: dropped into
/// `usr_jobs`, and submitted as a file.
#[test]
pub(super) fn preview1() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.produce("sensors", &records(&["first", "PRINT", "last"]));
    let component = fs::read(guest("preview1")).unwrap();
    let module = pelton_runtime::component::embed(&core_module::first(&component)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("core.wasm");
    fs::write(&file, &module).unwrap();
    let mut host = stage.host();
    host.start();
    host.drop_job("dropped", &module);
    eventually(RUN, "the file is checked", || {
        let (_, list) = host.get("/api/v1/jobs");
        (list["available"][0]["spec"]["name"] == "preview1").then_some(())
    });
    host.submit("dropped", &[]);
    stage.wait_until_done("preview1");
    assert_eq!(stage.alerts(), ["first", "PRINT", "last"]);
    let view = host.show("preview1");
    assert_eq!(
        view["digest"],
        pelton_model::digest::digest(&module),
        "the digest is that of what was submitted: {view}"
    );
    let said = host.cli(&["logs", "preview1"]).stdout;
    for line in ["info  job: printed in parts", "info  job: and more", "warn  job: an error"] {
        assert!(said.contains(line), "{said}");
    }
    // The same code as a component, and as a file given by its path.
    for other in [guest("preview1"), file] {
        let said = host.cli(&[OsStr::new("reload"), OsStr::new("preview1"), other.as_os_str()]);
        assert_eq!(said.code, 0, "{}", said.stderr);
    }
    stage.kafka.produce("sensors", &records(&["after"]));
    stage.wait_until_done("preview1");
    assert_eq!(stage.alerts(), ["first", "PRINT", "last", "after"]);
}
