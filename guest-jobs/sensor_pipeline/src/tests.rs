use super::*;
use pelton_job::Value;

const HOT: &str = r#"{"message_id": "hot", "sensor_id": 34, "message": {"temperature": 30.5, "pressure": 950.0}, "timestamp": "2024-05-02T10:11:12.5+00:00"}"#;
const COLD: &str =
    r#"{"message_id":"cold","sensor_id":1,"message":{"temperature":15},"timestamp":"2024-05-02T12:11:12+02:00"}"#;

#[test]
fn every_reading_is_a_row_and_hot_ones_are_alerts() {
    let run = pelton_job::testing::run::<SensorPipeline>(&[], [COLD, "{}", HOT]).unwrap();
    let cold = vec![
        Value::Text("cold"),
        Value::Int4(1),
        Value::Text(r#"{"temperature": 15}"#),
        Value::Int8(1_714_644_672_000_000),
    ];
    let hot = vec![
        Value::Text("hot"),
        Value::Int4(34),
        Value::Text(r#"{"temperature": 30.5, "pressure": 950.0}"#),
        Value::Int8(1_714_644_672_500_000),
    ];
    assert_eq!(run.rows(&READINGS), [(0, cold), (2, hot)]);
    let alerts: Vec<_> = run.messages(&ALERTS).iter().map(|message| message.origin).collect();
    assert_eq!(alerts, [2]);
    assert_eq!(run.rejects(), [(1, "missing field `message_id` in value")]);
}
