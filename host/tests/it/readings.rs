//! Good readings in any number, and whether all of them arrived.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::kafka::Record;
use crate::stage::Servers;

/// A reading as the article has it.
pub(crate) fn reading(id: &str, temperature: f64) -> Record {
    Record::new(format!(
        r#"{{"message_id": "{id}", "sensor_id": 7, "message": {{"temperature": {temperature:?}}}, "timestamp": "2024-05-02T10:11:12+00:00"}}"#
    ))
}

/// Readings of these numbers; every fourth is an alert.
pub(crate) fn readings(numbers: Range<usize>) -> Vec<Record> {
    numbers.map(|n| reading(&format!("reading {n}"), if n % 4 == 0 { 31.0 } else { 20.0 })).collect()
}

/// The ids of the readings on which there are alerts, in order.
pub(crate) fn alerted(servers: &Servers) -> Vec<String> {
    let id = |alert: &String| {
        let alert: serde_json::Value = serde_json::from_str(alert).unwrap();
        alert["message_id"].as_str().unwrap().to_owned()
    };
    servers.alerts().iter().map(id).collect()
}

/// Checks that `sensor_pipeline` has made of the readings `0..count` all rows and all alerts; returns how many alerts
/// came more than once.
#[track_caller]
pub(crate) fn check_all_arrived(servers: &Servers, count: usize) -> usize {
    let rows: BTreeSet<String> =
        servers.query("SELECT message_id FROM raw_sensors_data").iter().map(|row| row.get(0)).collect();
    let expected: BTreeSet<String> = (0..count).map(|n| format!("reading {n}")).collect();
    assert!(rows == expected, "{} rows instead of {count}", rows.len());
    let alerts = alerted(servers);
    let distinct: BTreeSet<String> = alerts.iter().cloned().collect();
    let expected: BTreeSet<String> = (0..count).step_by(4).map(|n| format!("reading {n}")).collect();
    assert!(distinct == expected, "{} alerts instead of {}", distinct.len(), expected.len());
    alerts.len() - distinct.len()
}
