use super::*;
use pelton_job::{Value, testing::run};

const READING: &str = r#"{"message_id": "a", "sensor_id": 4, "message": {"temperature": 27.5}, "timestamp": "1970-01-01T01:00:02+01:00"}"#;

#[test]
fn a_reading_is_a_row() {
    let run = run::<Readings>(&[], [READING]).unwrap();
    let row = vec![
        Value::Text("a"),
        Value::Int4(4),
        Value::Float8(27.5),
        Value::Text(r#"{"temperature": 27.5}"#),
        Value::Int8(2_000_000),
    ];
    assert_eq!(run.rows(&READINGS), [(0, row)]);
}

#[test]
fn what_has_no_place_in_the_table_is_rejected() {
    let text = READING.replacen("4", r#""four""#, 1);
    let nameless = READING.replacen(r#""message_id": "a", "#, "", 1);
    let run = run::<Readings>(&[], [text.as_str(), nameless.as_str()]).unwrap();
    assert_eq!(run.rows(&READINGS), []);
    assert_eq!(
        run.rejects(),
        [(0, r#"`sensor_id` is not an integer: "four""#), (1, "missing field `message_id` in value")]
    );
}
