//! The readings of the article's `kafka_producer.py`, to the byte as Python's `json.dumps` prints them.
//!
//! The same seed gives the same readings, ids included, in every build; only the times differ, and those too can be
//! fixed. Values are drawn as Python's `round(random.uniform(low, high), 2)` draws them: the two ends of a range come
//! half as often as what lies between.

use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// One reading. It displays as the JSON of the article's script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// A random (version 4) UUID.
    pub message_id: u128,
    /// 1 to 34.
    pub sensor_id: u8,
    /// Degrees Celsius, 15 to 35.
    pub temperature: Hundredths,
    /// Hectopascal, 950 to 1050.
    pub pressure: Hundredths,
    /// 0 to 10.
    pub vibration: Hundredths,
    /// When.
    pub timestamp: DateTime<Utc>,
}

/// A number with two decimals, in hundredths. It displays as Python prints such a float: `30.05`, `30.1`, `30.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hundredths(pub u32);

impl Display for Hundredths {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        if rest % 10 == 0 { write!(f, "{whole}.{}", rest / 10) } else { write!(f, "{whole}.{rest:02}") }
    }
}

impl Display for Reading {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { message_id, sensor_id, temperature, pressure, vibration, timestamp } = self;
        // Python's isoformat leaves the fraction out where it is zero: one reading in a million looks different.
        let form = if timestamp.timestamp_subsec_micros() == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
        let timestamp = timestamp.to_rfc3339_opts(form, false);
        write!(
            f,
            r#"{{"message_id": "{message_id:032x}", "sensor_id": {sensor_id}, "message": {{"temperature": {temperature}, "pressure": {pressure}, "vibration": {vibration}}}, "timestamp": "{timestamp}"}}"#
        )
    }
}

/// Readings without end.
#[derive(Debug, Clone)]
pub struct Sensors {
    random: Xoshiro256PlusPlus,
    clock: Clock,
}

#[derive(Debug, Clone)]
enum Clock {
    System,
    Fixed { next: DateTime<Utc>, step: TimeDelta },
}

impl Sensors {
    /// Readings that this seed stands for, each of the moment when it is taken.
    pub fn new(seed: u64) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed), clock: Clock::System }
    }

    /// The same readings, the first of this moment and each further one a step later.
    pub fn starting_at(self, first: DateTime<Utc>, step: TimeDelta) -> Self {
        Self { clock: Clock::Fixed { next: first, step }, ..self }
    }

    fn uniform(&mut self, low: f64, high: f64) -> Hundredths {
        let drawn = low + (high - low) * self.random.random::<f64>();
        Hundredths((drawn * 100.0).round() as u32)
    }
}

impl Iterator for Sensors {
    type Item = Reading;

    fn next(&mut self) -> Option<Reading> {
        let timestamp = match &mut self.clock {
            Clock::System => Utc::now(),
            Clock::Fixed { next, step } => {
                let now = *next;
                *next = now.checked_add_signed(*step)?;
                now
            }
        };
        // Digit 13 is the version, the two highest bits of digit 17 are the variant.
        let random: u128 = self.random.random();
        let message_id = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        Some(Reading {
            message_id,
            sensor_id: self.random.random_range(1..=34),
            temperature: self.uniform(15.0, 35.0),
            pressure: self.uniform(950.0, 1050.0),
            vibration: self.uniform(0.0, 10.0),
            timestamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn fixed(seed: u64) -> Sensors {
        let first = "2024-05-02T10:11:12.123456Z".parse().unwrap();
        Sensors::new(seed).starting_at(first, TimeDelta::microseconds(500_000))
    }

    /// Whether `text` is a float of at most two decimals as `json.dumps` prints it: the shortest digits, at least one
    /// behind the point.
    fn is_pythons(text: &str) -> bool {
        let number: f64 = text.parse().unwrap();
        let rounded: f64 = format!("{number:.2}").parse().unwrap();
        number == rounded && format!("{number:?}") == text
    }

    /// Takes what stands between two texts.
    fn cut<'a>(rest: &mut &'a str, before: &str, after: &str) -> &'a str {
        let (taken, remaining) = rest.strip_prefix(before).unwrap().split_once(after).unwrap();
        *rest = remaining;
        taken
    }

    #[test]
    fn the_first_readings_of_a_seed_never_change() {
        let readings: Vec<String> = fixed(7).take(2).map(|reading| reading.to_string()).collect();
        assert_eq!(
            readings,
            [
                r#"{"message_id": "2c0fc8ddfa4e4e148e2c1a002aae913d", "sensor_id": 25, "message": {"temperature": 23.54, "pressure": 1046.37, "vibration": 4.66}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}"#,
                r#"{"message_id": "54705b5adc014528b951f9b3621ea380", "sensor_id": 34, "message": {"temperature": 16.47, "pressure": 961.42, "vibration": 1.72}, "timestamp": "2024-05-02T10:11:12.623456+00:00"}"#,
            ]
        );
    }

    #[test]
    fn numbers_are_pythons() {
        let printed: Vec<String> =
            [3000, 3010, 3005, 0, 7, 90, 105_000].map(|number| Hundredths(number).to_string()).into();
        assert_eq!(printed, ["30.0", "30.1", "30.05", "0.0", "0.07", "0.9", "1050.0"]);
    }

    #[test]
    fn a_time_on_the_second_has_no_fraction() {
        let first = "2024-05-02T10:11:12Z".parse().unwrap();
        let mut sensors = Sensors::new(1).starting_at(first, TimeDelta::microseconds(10));
        assert!(sensors.next().unwrap().to_string().ends_with(r#""timestamp": "2024-05-02T10:11:12+00:00"}"#));
        assert!(sensors.next().unwrap().to_string().ends_with(r#""timestamp": "2024-05-02T10:11:12.000010+00:00"}"#));
    }

    #[test]
    fn the_clock_is_the_systems() {
        let before = Utc::now();
        let reading = Sensors::new(1).next().unwrap();
        assert!((before..=Utc::now()).contains(&reading.timestamp));
    }

    #[test]
    fn a_quarter_is_hot_and_the_ends_of_the_ranges_are_reached() {
        let readings: Vec<Reading> = fixed(3).take(100_000).collect();
        let hot = readings.iter().filter(|reading| reading.temperature > Hundredths(3000)).count();
        assert!((24_000..26_000).contains(&hot), "{hot} of 100,000 above 30, where a quarter is expected");
        for (name, range, of) in [
            ("temperature", 1500..=3500, (|reading: &Reading| reading.temperature.0) as fn(&Reading) -> u32),
            ("pressure", 95_000..=105_000, |reading| reading.pressure.0),
            ("vibration", 0..=1000, |reading| reading.vibration.0),
            ("sensor_id", 1..=34, |reading| u32::from(reading.sensor_id)),
        ] {
            let (low, high) = (readings.iter().map(of).min().unwrap(), readings.iter().map(of).max().unwrap());
            assert!(range.contains(&low) && range.contains(&high), "{name}: {low}..={high}");
            let slack = (range.end() - range.start()) / 500;
            assert!(low - range.start() <= slack && range.end() - high <= slack, "{name}: {low}..={high}");
        }
    }

    proptest! {
        #[test]
        fn every_reading_has_the_articles_form(seed: u64, place in 0usize..50) {
            let text = fixed(seed).nth(place).unwrap().to_string();
            let mut rest = text.as_str();
            let id = cut(&mut rest, r#"{"message_id": ""#, r#"", "#);
            prop_assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)));
            prop_assert!(id.chars().nth(12) == Some('4') && "89ab".contains(id.chars().nth(16).unwrap()));
            let sensor: u8 = cut(&mut rest, r#""sensor_id": "#, ", ").parse().unwrap();
            prop_assert!((1..=34).contains(&sensor));
            let temperature = cut(&mut rest, r#""message": {"temperature": "#, ", ");
            let pressure = cut(&mut rest, r#""pressure": "#, ", ");
            let vibration = cut(&mut rest, r#""vibration": "#, "}, ");
            for (text, low, high) in [(temperature, 15.0, 35.0), (pressure, 950.0, 1050.0), (vibration, 0.0, 10.0)] {
                prop_assert!(is_pythons(text), "{}", text);
                prop_assert!((low..=high).contains(&text.parse::<f64>().unwrap()), "{}", text);
            }
            let timestamp = cut(&mut rest, r#""timestamp": ""#, r#""}"#);
            prop_assert!(rest.is_empty());
            prop_assert!(timestamp.ends_with("+00:00") && [25, 32].contains(&timestamp.len()), "{}", timestamp);
            DateTime::parse_from_rfc3339(timestamp).unwrap();
            serde_json::from_str::<Value>(&text).unwrap();
        }

        #[test]
        fn the_seed_decides_all_but_the_time(seed: u64) {
            let of_seed: Vec<Reading> = fixed(seed).take(20).collect();
            let now: Vec<Reading> = Sensors::new(seed).take(20).collect();
            let with_fixed_times: Vec<Reading> = now
                .into_iter()
                .zip(&of_seed)
                .map(|(reading, of_seed)| Reading { timestamp: of_seed.timestamp, ..reading })
                .collect();
            prop_assert_eq!(&of_seed, &with_fixed_times);
            prop_assert_ne!(of_seed, fixed(seed.wrapping_add(1)).take(20).collect::<Vec<_>>());
        }
    }
}
