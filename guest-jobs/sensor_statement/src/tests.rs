use super::*;

#[test]
fn every_reading_is_an_execution() {
    let reading = r#"{"message_id": "a", "sensor_id": 1, "message": {"temperature": 20.0}, "timestamp": "2024-05-02T10:11:12+00:00"}"#;
    let run = pelton_job::testing::run::<SensorStatement>(&[], [reading, "", reading]).unwrap();
    let origins: Vec<_> = run.rows(&READINGS).into_iter().map(|(origin, _)| origin).collect();
    assert_eq!(origins, [0, 2]);
    assert_eq!(run.rejects(), [(1, "value is empty")]);
}
