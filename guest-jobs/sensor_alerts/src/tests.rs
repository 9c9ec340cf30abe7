use super::*;
use pelton_job::testing::{Input, run};

fn reading(temperature: &str) -> String {
    format!(
        r#"{{"message_id": "id", "sensor_id": 1, "message": {{"temperature": {temperature}}}, "timestamp": "2024-05-02T10:11:12+00:00"}}"#
    )
}

fn alert(temperature: &str) -> String {
    format!(
        r#"{{"message_id": "id", "sensor_id": 1, "temperature": {temperature}, "alert": "High temperature detected", "timestamp": "2024-05-02T10:11:12+00:00"}}"#
    )
}

#[test]
fn only_readings_above_the_threshold_are_alerts() {
    let inputs = ["30.01", "30.0", "-40.5", "34.99"].map(reading);
    let run = run::<SensorAlerts>(&[], inputs.iter().map(String::as_str)).unwrap();
    let messages = run.messages(&ALERTS);
    let alerts: Vec<_> = messages.iter().map(|message| (message.origin, message.value.unwrap())).collect();
    assert_eq!(alerts, [(0, alert("30.01").as_bytes()), (3, alert("34.99").as_bytes())]);
    assert_eq!(run.rejects(), []);
}

#[test]
fn the_threshold_is_a_parameter() {
    let count = |threshold| {
        let run = run::<SensorAlerts>(&[("threshold", threshold)], [reading("25.0").as_str()])?;
        Ok::<_, String>(run.messages(&ALERTS).len())
    };
    assert_eq!(count("24.5"), Ok(1));
    assert_eq!(count("25"), Ok(0));
    assert_eq!(count("hot").unwrap_err(), "parameter `threshold`: cannot read `hot` as f64: invalid float literal");
}

#[test]
fn the_key_is_kept() {
    let input = Input { key: Some(b"k".to_vec()), ..Input::from(reading("31.5").as_str()) };
    let run = run::<SensorAlerts>(&[], [input]).unwrap();
    assert_eq!(run.messages(&ALERTS)[0].key, Some(&b"k"[..]));
}

#[test]
fn bad_records_are_rejected_and_the_rest_goes_on() {
    let inputs = [
        Input::default(),
        Input::from(""),
        Input::from(&b"{\"a\": \"\xff\"}"[..]),
        Input::from("{}"),
        Input::from(reading("31.0").as_str()),
    ];
    let run = run::<SensorAlerts>(&[], inputs).unwrap();
    let expected = [
        (0, "value is null (a tombstone)"),
        (1, "value is empty"),
        (2, "value is not UTF-8: invalid at byte 7"),
        (3, "missing field `message_id` in value"),
    ];
    assert_eq!(run.rejects(), expected);
    assert_eq!(run.messages(&ALERTS).len(), 1);
}
