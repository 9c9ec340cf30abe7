//! What came of records, held against what the independent checker says must come of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::bad_records::{self, Expected, Row};
use crate::kafka::Record;
use crate::stage::Servers;

/// Records as they were written to `sensors`, and where they went.
#[derive(Debug)]
pub(crate) struct Input {
    records: Vec<Record>,
    positions: Vec<(i32, i64)>,
    pub(crate) expected: Expected,
}

impl Input {
    /// Writes records to `sensors`, every third one with headers.
    pub(crate) fn write(servers: &Servers, records: &[bad_records::Record]) -> Self {
        let expected = bad_records::expected(records);
        let with_headers = |(index, record): (usize, &bad_records::Record)| {
            let mut written = Record { key: record.key.clone(), value: record.value.clone(), ..Record::tombstone() };
            if index % 3 == 0 {
                written = written.header("index", Some(index.to_string().as_bytes())).header("empty", None);
            }
            written
        };
        let records: Vec<Record> = records.iter().enumerate().map(with_headers).collect();
        let positions = servers.kafka.produce("sensors", &records);
        Self { records, positions, expected }
    }

    /// Every row is there once and with its values, and there is no other.
    pub(crate) fn check_rows(&self, servers: &Servers) {
        let rows = servers.query("SELECT message_id, sensor_id, message, timestamp FROM raw_sensors_data");
        let found: BTreeMap<String, Row> = rows
            .iter()
            .map(|row| {
                let timestamp: DateTime<Utc> = row.get::<_, std::time::SystemTime>(3).into();
                (row.get(0), Row { sensor_id: row.get(1), message: row.get(2), timestamp })
            })
            .collect();
        assert_eq!(found.len(), rows.len());
        let missing = self.expected.rows.iter().find(|(id, row)| found.get(*id) != Some(row));
        assert!(missing.is_none(), "expected {:.300}", format!("{missing:?}"));
        assert_eq!(found.len(), self.expected.rows.len());
    }

    /// Every alert is there, and there is no other; returns how many are there too often.
    pub(crate) fn check_alerts(&self, servers: &Servers) -> usize {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for alert in servers.alerts() {
            *found.entry(alert).or_default() += 1;
        }
        for (alert, times) in &self.expected.alerts {
            let there = found.get(alert).copied().unwrap_or(0);
            assert!(there >= *times, "{there} instead of {times} times: {alert:.300}");
        }
        assert_eq!(found.len(), self.expected.alerts.len());
        found.values().sum::<usize>() - self.expected.alerts.values().sum::<usize>()
    }

    /// Every bad record is among the job's dead letters, whole and with its stage, and no other is; returns how many
    /// are there too often.
    pub(crate) fn check_dead_letters(&self, servers: &Servers, job: &str) -> usize {
        let letters = servers.dead_letters(job);
        let bad: BTreeSet<usize> = self.expected.rejected.union(&self.expected.refused).copied().collect();
        for &index in &bad {
            let (record, at) = (&self.records[index], self.positions[index]);
            let found = letters.get(&at).unwrap_or_else(|| panic!("record {index} at {at:?} has no dead letter"));
            let stage = if self.expected.rejected.contains(&index) { "reject" } else { "sink" };
            for letter in found {
                assert!(letter.key == record.key && letter.value == record.value, "the dead letter at {at:?} differs");
                assert_eq!(letter.headers[..record.headers.len()], record.headers, "at {at:?}");
                let own = &letter.headers[record.headers.len()..];
                assert!(own.iter().all(|(name, _)| name.starts_with("pelton.")), "at {at:?}: {own:?}");
                assert_eq!(letter.header_text("pelton.stage"), Some(stage), "at {at:?}: {own:?}");
                assert!(letter.header_text("pelton.error").is_some_and(|error| !error.is_empty()));
            }
        }
        assert_eq!(letters.len(), bad.len());
        letters.values().map(Vec::len).sum::<usize>() - bad.len()
    }
}
