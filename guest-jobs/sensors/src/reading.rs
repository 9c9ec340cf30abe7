//! One reading of a sensor. Both example jobs agree on what is one: a record that one of them rejects, the other
//! rejects for the same reason.

use crate::{
    json::{Error, Reader, unescape},
    python, timestamp,
};
use std::{borrow::Cow, fmt, num::IntErrorKind};

/// A reading that every sink can take.
#[derive(Debug, PartialEq)]
pub struct Reading<'a> {
    /// Its id; holds no NUL.
    pub message_id: Cow<'a, str>,
    /// The sensor, within the range of Postgres's INT.
    pub sensor_id: i32,
    /// The measured values: a JSON object with the spacing of `json.dumps`, its strings and numbers as the source
    /// wrote them; holds no NUL, not even escaped.
    pub message: Cow<'a, str>,
    /// Degrees Celsius, from `message`; finite.
    pub temperature: f64,
    /// When, as the source wrote it.
    pub timestamp: Cow<'a, str>,
    /// When, in microseconds since 1970-01-01 00:00:00 UTC.
    pub microseconds: i64,
    /// The numbers as the source wrote them: to copy them is quicker than to print them.
    sensor_id_text: &'a str,
    temperature_text: &'a str,
}

/// The fields as they stand in the text. Of a field that comes twice the last one counts, as in Python.
#[derive(Default)]
struct Fields<'a> {
    message_id: Option<&'a str>,
    sensor_id: Option<&'a str>,
    timestamp: Option<&'a str>,
    message: Option<Message<'a>>,
}

struct Message<'a> {
    text: &'a str,
    is_spaced: bool,
    has_nul: bool,
    temperature: Option<&'a str>,
}

impl<'a> Reading<'a> {
    /// Reads the value of a record. Fields that it doesn't know are ignored.
    ///
    /// # Errors
    /// What is wrong with it: where it is no JSON, or which field is missing or can't be used.
    pub fn parse(value: &'a str) -> Result<Self, String> {
        let fields = Fields::read(value)?;
        let message_id = string("message_id", fields.message_id)?;
        // Only what was escaped can be one: JSON has no bare control characters.
        if let Cow::Owned(text) = &message_id
            && text.contains('\0')
        {
            return Err("`message_id` holds a NUL character".to_owned());
        }
        let message = fields.message.ok_or_else(|| missing("message", "value"))?;
        if !message.text.starts_with('{') {
            return Err(wrong("message", "not a JSON object", message.text));
        }
        if message.has_nul {
            return Err("`message` holds a NUL character".to_owned());
        }
        let temperature = message
            .temperature
            .ok_or_else(|| missing("temperature", "`message`"))?;
        let timestamp = string("timestamp", fields.timestamp)?;
        let microseconds = timestamp::microseconds(&timestamp).ok_or_else(|| {
            wrong(
                "timestamp",
                "not a time with offset (RFC 3339)",
                fields.timestamp.unwrap_or_default(),
            )
        })?;
        let sensor_id_text = fields
            .sensor_id
            .ok_or_else(|| missing("sensor_id", "value"))?;
        Ok(Self {
            message_id,
            sensor_id: integer("sensor_id", sensor_id_text)?,
            message: if message.is_spaced {
                Cow::Borrowed(message.text)
            } else {
                python::respace(message.text).into()
            },
            temperature: number("temperature", temperature)?,
            timestamp,
            microseconds,
            sensor_id_text,
            temperature_text: temperature,
        })
    }

    /// Writes the alert on this reading, as the article's job does: `json.dumps` of a dictionary.
    ///
    /// # Errors
    /// None: writing to a string doesn't fail.
    pub fn write_alert(&self, out: &mut String) -> fmt::Result {
        out.push_str(r#"{"message_id": "#);
        python::write_string(&self.message_id, out)?;
        out.push_str(r#", "sensor_id": "#);
        // The one integer of JSON that Python prints otherwise is -0.
        out.push_str(if self.sensor_id == 0 {
            "0"
        } else {
            self.sensor_id_text
        });
        out.push_str(r#", "temperature": "#);
        python::write_float(self.temperature_text, self.temperature, out)?;
        out.push_str(r#", "alert": "High temperature detected", "timestamp": "#);
        python::write_string(&self.timestamp, out)?;
        out.push('}');
        Ok(())
    }
}

impl<'a> Fields<'a> {
    fn read(value: &'a str) -> Result<Self, String> {
        let not_json = |error: Error| format!("value is not JSON: {}", error.in_text(value));
        let mut reader = Reader::new(value);
        if !reader.is_object() {
            reader
                .value()
                .and_then(|_| reader.end())
                .map_err(not_json)?;
            return Err("value is not a JSON object".to_owned());
        }
        let mut fields = Self::default();
        let read = reader.object(|reader, name| {
            match name {
                "message_id" => fields.message_id = Some(reader.value()?),
                "sensor_id" => fields.sensor_id = Some(reader.value()?),
                "timestamp" => fields.timestamp = Some(reader.value()?),
                "message" => fields.message = Some(Message::read(reader)?),
                _ => drop(reader.value()?),
            }
            Ok(())
        });
        read.and_then(|()| reader.end()).map_err(not_json)?;
        Ok(fields)
    }
}

impl<'a> Message<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let start = reader.position();
        let mut temperature = None;
        reader.is_spaced = true;
        reader.has_nul = false;
        if reader.is_object() {
            reader.object(|reader, name| {
                let value = reader.value()?;
                if name == "temperature" {
                    temperature = Some(value);
                }
                Ok(())
            })?;
        } else {
            reader.value()?;
        }
        let text = reader.since(start);
        Ok(Self {
            text,
            is_spaced: reader.is_spaced,
            has_nul: reader.has_nul,
            temperature,
        })
    }
}

fn string<'a>(name: &str, field: Option<&'a str>) -> Result<Cow<'a, str>, String> {
    let field = field.ok_or_else(|| missing(name, "value"))?;
    if !field.starts_with('"') {
        return Err(wrong(name, "not a string", field));
    }
    unescape(field).ok_or_else(|| wrong(name, "not valid Unicode", field))
}

fn integer(name: &str, field: &str) -> Result<i32, String> {
    field
        .parse()
        .map_err(|error: std::num::ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                wrong(name, "beyond the range of INT", field)
            }
            _ => wrong(name, "not an integer", field),
        })
}

fn number(name: &str, field: &str) -> Result<f64, String> {
    // No JSON value but a number reads as one: `NaN` and `Infinity` are not JSON.
    match field.parse::<f64>() {
        Err(_) => Err(wrong(name, "not a number", field)),
        Ok(number) if !number.is_finite() => {
            Err(wrong(name, "beyond the range of a double", field))
        }
        Ok(number) => Ok(number),
    }
}

fn missing(name: &str, place: &str) -> String {
    format!("missing field `{name}` in {place}")
}

/// Names the field, and shows the beginning of what it holds.
fn wrong(name: &str, what: &str, text: &str) -> String {
    const SHOWN: usize = 60;
    match text
        .char_indices()
        .nth(SHOWN)
        .and_then(|(end, _)| text.get(..end))
    {
        Some(beginning) => format!("`{name}` is {what}: {beginning}…"),
        None => format!("`{name}` is {what}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"message_id": "0a1b", "sensor_id": 7, "message": {"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}"#;

    fn reason(value: &str) -> String {
        Reading::parse(value).unwrap_err()
    }

    fn alert(value: &str) -> String {
        let mut out = String::new();
        Reading::parse(value)
            .unwrap()
            .write_alert(&mut out)
            .unwrap();
        out
    }

    #[test]
    fn the_articles_reading() {
        let reading = Reading::parse(GOOD).unwrap();
        let expected = Reading {
            message_id: "0a1b".into(),
            sensor_id: 7,
            message: r#"{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}"#.into(),
            temperature: 30.5,
            timestamp: "2024-05-02T10:11:12.123456+00:00".into(),
            microseconds: 1_714_644_672_123_456,
            sensor_id_text: "7",
            temperature_text: "30.5",
        };
        assert_eq!(reading, expected);
    }

    #[test]
    fn the_articles_alert() {
        let expected = r#"{"message_id": "0a1b", "sensor_id": 7, "temperature": 30.5, "alert": "High temperature detected", "timestamp": "2024-05-02T10:11:12.123456+00:00"}"#;
        assert_eq!(alert(GOOD), expected);
    }

    #[test]
    fn unusual_but_valid() {
        let integer = GOOD.replace("30.5", "31");
        assert!(alert(&integer).contains(r#""temperature": 31.0, "#));
        assert!(
            Reading::parse(&integer)
                .unwrap()
                .message
                .starts_with(r#"{"temperature": 31, "#)
        );
        let minus_zero = GOOD.replace("7,", "-0,");
        assert!(alert(&minus_zero).contains(r#""sensor_id": 0, "#));
        let no_fraction = GOOD.replace(".123456", "");
        assert_eq!(
            Reading::parse(&no_fraction).unwrap().microseconds,
            1_714_644_672_000_000
        );
        assert!(alert(&no_fraction).ends_with(r#""timestamp": "2024-05-02T10:11:12+00:00"}"#));
        assert!(
            alert(&GOOD.replace("0a1b", r"\u00e9é\n"))
                .starts_with(r#"{"message_id": "\u00e9\u00e9\n", "#)
        );
        let tight = GOOD.replace(": ", ":").replace(", ", " ,");
        assert_eq!(alert(&tight), alert(GOOD));
        assert_eq!(Reading::parse(&tight), Reading::parse(GOOD));
        let twice = GOOD.replace("pressure", "temperature");
        assert_eq!(Reading::parse(&twice).unwrap().temperature, 1000.12);
        let more = GOOD.replace(
            r#""sensor_id""#,
            r#""extra": [1, {"a": null}], "sensor_id""#,
        );
        assert_eq!(Reading::parse(&more), Reading::parse(GOOD));
    }

    #[test]
    fn every_bad_value_says_why() {
        let cut: String = GOOD.chars().take(40).collect();
        let cases = [
            (
                "hello".to_owned(),
                "value is not JSON: expected a value at line 1 column 1",
            ),
            (
                cut,
                "value is not JSON: expected the end of the string, and no control character in it at line 1 column 41",
            ),
            (
                GOOD.replace("0a1b", "0\0b"),
                "value is not JSON: expected the end of the string, and no control character in it at line 1 column 18",
            ),
            (
                GOOD.replace("30.5", "NaN"),
                "value is not JSON: expected a value at line 1 column 67",
            ),
            (
                format!("{GOOD} x"),
                "value is not JSON: expected nothing more at line 1 column 162",
            ),
            ("[]".to_owned(), "value is not a JSON object"),
            ("null".to_owned(), "value is not a JSON object"),
            ("{}".to_owned(), "missing field `message_id` in value"),
            (
                GOOD.replace("sensor_id", "sensor"),
                "missing field `sensor_id` in value",
            ),
            (
                GOOD.replace("temperature", "heat"),
                "missing field `temperature` in `message`",
            ),
            (
                GOOD.replace(r#""0a1b""#, "12"),
                "`message_id` is not a string: 12",
            ),
            (
                GOOD.replace("0a1b", r"\ud800"),
                r#"`message_id` is not valid Unicode: "\ud800""#,
            ),
            (
                GOOD.replace("0a1b", r"0\u0000"),
                "`message_id` holds a NUL character",
            ),
            (
                GOOD.replace("1000.12", r#""\u0000""#),
                "`message` holds a NUL character",
            ),
            (
                GOOD.replace("7,", "7.5,"),
                "`sensor_id` is not an integer: 7.5",
            ),
            (
                GOOD.replace("7,", r#""7","#),
                r#"`sensor_id` is not an integer: "7""#,
            ),
            (
                GOOD.replace("7,", "2147483648,"),
                "`sensor_id` is beyond the range of INT: 2147483648",
            ),
            (
                GOOD.replace("7,", "-99999999999999999999,"),
                "`sensor_id` is beyond the range of INT: -99999999999999999999",
            ),
            (
                GOOD.replace("30.5", r#""30.5""#),
                r#"`temperature` is not a number: "30.5""#,
            ),
            (
                GOOD.replace("30.5", "1e999"),
                "`temperature` is beyond the range of a double: 1e999",
            ),
            (
                GOOD.replace("2024", "soon"),
                r#"`timestamp` is not a time with offset (RFC 3339): "soon-05-02T10:11:12.123456+00:00""#,
            ),
            (
                GOOD.replace("+00:00", ""),
                r#"`timestamp` is not a time with offset (RFC 3339): "2024-05-02T10:11:12.123456""#,
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(reason(&value), expected);
        }
        let message = GOOD.replace(
            r#"{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}"#,
            "[30.5]",
        );
        assert_eq!(reason(&message), "`message` is not a JSON object: [30.5]");
        let long = reason(&GOOD.replace("7,", &format!("\"{}\",", "é".repeat(1000))));
        assert_eq!(
            long,
            format!("`sensor_id` is not an integer: \"{}…", "é".repeat(59))
        );
    }
}
