//! Seeded input with every kind of bad record, and a checker that says from the input alone what must come of it.

mod checker;

pub(crate) use checker::{Expected, Row, expected};

use chrono::{DateTime, TimeDelta, Utc};
use pelton_demo::{Reading, Sensors};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

/// What the generator meant a record to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Good,
    /// Good all the same: 5 MB of text in `message`.
    Large,
    /// Good all the same: Python prints no fraction where it is zero.
    NoFraction,
    /// Good all the same: a record from before once more, to the byte.
    Duplicate,
    NotJson,
    MissingField,
    WrongType,
    Empty,
    Tombstone,
    InvalidUtf8,
    Nul,
    SensorBeyondInt,
    BadTimestamp,
    /// Not JSON either.
    LargeGarbage,
    /// Good for the jobs, and refused by Postgres: longer than `VARCHAR(255)`.
    LongId,
}

/// Kinds that are 2 % of the input each.
pub(crate) const SPRINKLED: [Kind; 12] = [
    Kind::NoFraction,
    Kind::Duplicate,
    Kind::NotJson,
    Kind::MissingField,
    Kind::WrongType,
    Kind::Empty,
    Kind::Tombstone,
    Kind::InvalidUtf8,
    Kind::Nul,
    Kind::SensorBeyondInt,
    Kind::BadTimestamp,
    Kind::LongId,
];

/// Bytes of a large record's payload.
const LARGE: usize = 5_000_000;

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// `None`, as in the article, or the sensor's number.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) kind: Kind,
}

/// So many records of which 2 % each are of the [`SPRINKLED`] kinds, and `large` of them, by turns, good and bad ones
/// of 5 MB. The same arguments give the same records.
pub(crate) fn generate(seed: u64, count: usize, large: usize) -> Vec<Record> {
    let first: DateTime<Utc> = "2024-05-02T10:11:12.123456Z".parse().unwrap();
    let mut sensors = Sensors::new(seed).starting_at(first, TimeDelta::microseconds(1_234_567));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(!seed);
    let mut kinds: Vec<Kind> = SPRINKLED.iter().flat_map(|&kind| vec![kind; count / 50]).collect();
    kinds.extend([Kind::Large, Kind::LargeGarbage].iter().cycle().take(large));
    assert!(kinds.len() < count, "{count} records are too few");
    kinds.resize(count, Kind::Good);
    kinds.shuffle(&mut random);
    // Something to repeat must come first.
    let good = kinds.iter().position(|&kind| kind == Kind::Good).unwrap();
    kinds.swap(0, good);
    let mut records: Vec<Record> = Vec::with_capacity(count);
    for kind in kinds {
        let reading = sensors.next().unwrap();
        let key = random.random::<bool>().then(|| reading.sensor_id.to_string().into_bytes());
        let record = if kind == Kind::Duplicate {
            let original = loop {
                let original = records.choose(&mut random).unwrap();
                if original.kind == Kind::Good {
                    break original;
                }
            };
            Record { kind, ..original.clone() }
        } else {
            Record { key, value: value(kind, &reading, &mut random), kind }
        };
        records.push(record);
    }
    records
}

/// A record's value: that of a reading, spoilt as the kind says.
fn value(kind: Kind, reading: &Reading, random: &mut Xoshiro256PlusPlus) -> Option<Vec<u8>> {
    let good = reading.to_string();
    let id = format!("{:032x}", reading.message_id);
    let temperature = format!("\"temperature\": {}", reading.temperature);
    let sensor = format!("\"sensor_id\": {}", reading.sensor_id);
    let (_, time) = good.rsplit_once("\"timestamp\": ").unwrap();
    let time = time.strip_suffix('}').unwrap();
    let mut one_of = |choices: &[&str]| (*choices.choose(random).unwrap()).to_owned();
    let spoilt = match kind {
        Kind::Good | Kind::Duplicate => good,
        Kind::Large => good.replace("}, ", &format!(", \"note\": \"{}\"}}, ", "x".repeat(LARGE))),
        Kind::LargeGarbage => "x".repeat(LARGE),
        Kind::NoFraction => good.replace(time, "\"2024-05-02T10:11:12+00:00\""),
        Kind::NotJson => match one_of(&["text", "cut", "python", "nan", "more"]).as_str() {
            "text" => "hello".to_owned(),
            "cut" => good[..good.len() / 2].to_owned(),
            "python" => good.replace('"', "'"),
            "nan" => good.replace(&temperature, "\"temperature\": NaN"),
            _ => good + "}",
        },
        Kind::MissingField => {
            let field = one_of(&["message_id", "sensor_id", "message", "timestamp", "temperature"]);
            good.replace(&format!("\"{field}\":"), "\"other\":")
        }
        Kind::WrongType => match one_of(&["id", "sensor", "message", "temperature", "time", "value"]).as_str() {
            "id" => good.replace(&format!("\"{id}\""), &one_of(&["17", "null", "[]"])),
            "sensor" => good.replace(&sensor, &format!("\"sensor_id\": {}", one_of(&["\"7\"", "7.5", "true", "null"]))),
            "message" => format!(r#"{{"message_id": "{id}", {sensor}, "message": "hot", "timestamp": {time}}}"#),
            "temperature" => good.replace(&temperature, &format!("\"temperature\": {}", one_of(&["\"30.5\"", "{}"]))),
            "time" => good.replace(time, &one_of(&["1714644672", "null"])),
            _ => one_of(&["[]", "17", "null", "\"text\""]),
        },
        Kind::Empty => String::new(),
        Kind::Tombstone => return None,
        Kind::InvalidUtf8 => {
            let mut bytes = good.into_bytes();
            let bad: &[u8] = [&b"\xff"[..], b"\xc3", b"\x80", b"\xc0\x80", b"\xed\xa0\x80"].choose(random).unwrap();
            // Within the id.
            let at = 20 + random.random_range(0..20);
            bytes.splice(at..at, bad.iter().copied());
            return Some(bytes);
        }
        Kind::Nul => match one_of(&["id", "message", "raw"]).as_str() {
            "id" => good.replace(&id, &format!("{id}\\u0000")),
            "message" => good.replace("}, ", r#", "note": "a\u0000b"}, "#),
            _ => good.replace(&id, &format!("{id}\0")),
        },
        Kind::SensorBeyondInt => {
            let beyond = one_of(&["2147483648", "-2147483649", "9999999999", "100000000000000000000"]);
            good.replace(&sensor, &format!("\"sensor_id\": {beyond}"))
        }
        Kind::BadTimestamp => good.replace(
            time,
            &one_of(&[
                "\"\"",
                "\"yesterday\"",
                "\"2024-05-02\"",
                "\"2024-13-02T10:11:12.123456+00:00\"",
                "\"2024-02-30T10:11:12.123456+00:00\"",
                "\"2024-05-02T10:11:12.123456\"",
                "\"2024-05-02T25:11:12.123456+00:00\"",
            ]),
        ),
        Kind::LongId => good.replace(&id, &id.repeat(8)),
    };
    Some(spoilt.into_bytes())
}

/// What the kinds promise, what the checker says and what the built jobs do in the sandbox, held against each other.
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use pelton::engine::{Engine, Host};
    use pelton::record::{Batch, Column, ColumnData, Output};
    use pelton_model::settings::Limits;

    use super::*;

    #[test]
    fn the_checker_sees_what_the_generator_meant() {
        let records = generate(3, 20_000, 2);
        assert_eq!(records.len(), 20_000);
        for kind in SPRINKLED {
            assert_eq!(records.iter().filter(|record| record.kind == kind).count(), 400, "{kind:?}");
        }
        let expected = expected(&records);
        for (index, record) in records.iter().enumerate() {
            use Kind::{Duplicate, Good, Large, LongId, NoFraction};
            let is_good = matches!(record.kind, Good | Large | NoFraction | Duplicate | LongId);
            let shown = || String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
            assert_eq!(!expected.rejected.contains(&index), is_good, "{:?}: {}", record.kind, shown());
            assert_eq!(expected.refused.contains(&index), record.kind == LongId, "{:?}: {}", record.kind, shown());
        }
        assert_eq!(expected.rejected.len(), 9 * 400 + 1);
        assert_eq!(expected.rows.len(), 20_000 - 9 * 400 - 1 - 400 - 400);
        assert!(expected.alerts.values().any(|&times| times > 1), "some duplicate is an alert");
        assert_eq!(records, generate(3, 20_000, 2));
        assert_ne!(records, generate(4, 20_000, 2));
    }

    struct NoHost;

    impl Host for NoHost {
        fn log(&self, _: tracing::Level, _: &str) {}
        fn count(&self, _: &str, _: u64) {}
        fn gauge(&self, _: &str, _: f64) {}
    }

    fn text(column: &Column, row: usize) -> String {
        let ColumnData::Packed(bytes) = &column.data else { panic!("not text: {column:?}") };
        String::from_utf8(bytes.get(row).unwrap().to_vec()).unwrap()
    }

    /// What a built job makes of the records, in batches as the host cuts them.
    fn made_by(job: &[u8], records: &[Record]) -> Expected {
        let job = Engine::new(Limits::default(), None).unwrap().load(job).unwrap();
        let mut instance = job.instantiate(&job.parameters(&[]).unwrap(), Arc::new(NoHost)).unwrap();
        let mut made = Expected::default();
        for (number, chunk) in records.chunks(1000).enumerate() {
            let mut batch = Batch { topic: "sensors".into(), ..Batch::default() };
            for (offset, record) in (0..).zip(chunk) {
                batch.offsets.push(offset);
                batch.timestamps.push(0);
                batch.keys.push(record.key.as_deref());
                batch.values.push(record.value.as_deref());
                batch.headers.end_record();
            }
            let outcome = instance.process(&batch).unwrap();
            made.rejected.extend(outcome.rejects.iter().map(|reject| number * 1000 + reject.index as usize));
            for output in outcome.outputs {
                match output {
                    Output::Messages { messages, .. } => {
                        for (i, &origin) in messages.origin.iter().enumerate() {
                            let alert = String::from_utf8(messages.values.get(i).unwrap().to_vec()).unwrap();
                            *made.alerts.entry(alert).or_default() += 1;
                            assert_eq!(messages.keys.get(i), chunk[origin as usize].key.as_deref());
                        }
                    }
                    Output::Rows { rows, .. } => {
                        for (i, &origin) in rows.origin.iter().enumerate() {
                            let ColumnData::Int32s(sensors) = &rows.columns[1].data else { panic!("not INT") };
                            let ColumnData::Int64s(times) = &rows.columns[3].data else { panic!("not a time") };
                            let row = Row {
                                sensor_id: sensors[i],
                                message: text(&rows.columns[2], i),
                                timestamp: DateTime::from_timestamp_micros(times[i]).unwrap(),
                            };
                            let id = text(&rows.columns[0], i);
                            if id.len() > 255 {
                                made.refused.insert(number * 1000 + origin as usize);
                            } else {
                                made.rows.entry(id).or_insert(row);
                            }
                        }
                    }
                    Output::Forward { .. } => panic!("these jobs forward nothing"),
                }
            }
        }
        made
    }

    #[test]
    fn the_built_jobs_agree_with_the_checker() {
        let records = generate(11, 50_000, 2);
        let expected = expected(&records);
        let pipeline = made_by(include_bytes!("../../../usr_jobs/sensor_pipeline.wasm"), &records);
        assert!(pipeline == expected, "sensor_pipeline differs: {}", difference(&pipeline, &expected));
        let alerts = made_by(include_bytes!("../../../usr_jobs/sensor_alerts.wasm"), &records);
        let expected = Expected { rows: BTreeMap::new(), refused: BTreeSet::new(), ..expected };
        assert!(alerts == expected, "sensor_alerts differs: {}", difference(&alerts, &expected));
    }

    /// The first of each that differs; the whole would be megabytes.
    fn difference(one: &Expected, other: &Expected) -> String {
        let rows = one.rows.iter().zip(&other.rows).find(|(one, other)| one != other);
        let alerts = one.alerts.iter().zip(&other.alerts).find(|(one, other)| one != other);
        let rejected = one.rejected.symmetric_difference(&other.rejected).next();
        let refused = one.refused.symmetric_difference(&other.refused).next();
        format!("{rows:?}, {alerts:?}, rejected {rejected:?}, refused {refused:?}")
    }
}
