use super::*;
use proptest::prelude::*;
use serde_json::Value;

const GOOD: &str = r#"{"message_id": "0a1b", "sensor_id": 7, "message": {"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}"#;

#[derive(Debug, PartialEq)]
struct Reading {
    id: String,
    sensor: i32,
    message: String,
    temperature: f64,
    microseconds: i64,
}

fn read(text: &str) -> Result<Reading, String> {
    let read = || {
        let paths = Paths::new(["message_id", "sensor_id", "message", "message.temperature", "timestamp"]);
        let [id, sensor, message, temperature, time] = fields(text, &paths)?;
        Ok::<_, Reject>(Reading {
            id: id.text()?.into_owned(),
            sensor: sensor.int4()?,
            message: message.object()?.into_owned(),
            temperature: temperature.float8()?,
            microseconds: time.timestamptz()?,
        })
    };
    read().map_err(|reject| reject.0)
}

#[test]
fn every_kind_is_read() {
    let expected = Reading {
        id: "0a1b".to_owned(),
        sensor: 7,
        message: r#"{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}"#.to_owned(),
        temperature: 30.5,
        microseconds: 1_714_644_672_123_456,
    };
    assert_eq!(read(GOOD), Ok(expected));
    let text = r#"{"a": true, "b": null, "c": -9223372036854775808, "d": {"e": {"f": "\n"}}}"#;
    let [a, b, c, deep, none] = fields(text, &Paths::new(["a", "b", "c", "d.e.f", "d.e.g"])).unwrap();
    assert!(a.boolean().unwrap());
    assert!(b.optional().is_none() && none.optional().is_none());
    assert_eq!(a.optional().unwrap().raw().unwrap(), "true");
    assert_eq!(c.int8().unwrap(), i64::MIN);
    assert_eq!(deep.text().unwrap(), "\n");
    assert_eq!(none.raw().unwrap_err().0, "missing field `g` in `d.e`");
    assert_eq!(b.boolean().unwrap_err().0, "`b` is not a boolean: null");
}

#[test]
fn unusual_but_valid() {
    assert_eq!(read(&GOOD.replace("30.5", "31")).unwrap().temperature, 31.0);
    assert_eq!(read(&GOOD.replace("7,", "-0,")).unwrap().sensor, 0);
    assert_eq!(read(&GOOD.replace(".123456", "")).unwrap().microseconds, 1_714_644_672_000_000);
    assert_eq!(read(&GOOD.replace("12T10", r"12\u005410").replace("02T10", r"02\u005410")), read(GOOD));
    assert_eq!(read(&GOOD.replace("0a1b", r"\u00e9é\n")).unwrap().id, "éé\n");
    let tight = GOOD.replace(": ", ":").replace(", ", " ,");
    assert_eq!(read(&tight), read(GOOD));
    let twice = GOOD.replace("pressure", "temperature");
    assert_eq!(read(&twice).unwrap().temperature, 1000.12);
    let more = GOOD.replace(r#""sensor_id""#, r#""extra": [1, {"a": null}], "sensor_id""#);
    assert_eq!(read(&more), read(GOOD));
    let escaped = GOOD.replace("message_id", r"m\u0065ssage_id");
    assert_eq!(read(&escaped), read(GOOD));
}

#[test]
fn a_name_that_comes_twice_takes_what_was_in_it_along() {
    let text = r#"{"a": {"b": 1, "c": 2}, "a": {"b": 3}}"#;
    let [b, c] = fields(text, &Paths::new(["a.b", "a.c"])).unwrap();
    assert_eq!(b.int4().unwrap(), 3);
    assert_eq!(c.raw().unwrap_err().0, "missing field `c` in `a`");
}

#[test]
fn every_bad_value_says_why() {
    let with = |from: &str, to: &str| GOOD.replace(from, to);
    let cut: String = GOOD.chars().take(40).collect();
    let end_of_string =
        "value is not JSON: expected the end of the string, and no control character in it at line 1 column";
    let no_time = "`timestamp` is not a time with offset (RFC 3339):";
    let inner = r#"{"temperature": 30.5, "pressure": 1000.12, "vibration": 0.3}"#;
    let cases = [
        ("hello".to_owned(), "value is not JSON: expected a value at line 1 column 1".to_owned()),
        (cut, format!("{end_of_string} 41")),
        (with("0a1b", "0\0b"), format!("{end_of_string} 18")),
        (with("30.5", "NaN"), "value is not JSON: expected a value at line 1 column 67".to_owned()),
        (format!("{GOOD} x"), "value is not JSON: expected nothing more at line 1 column 162".to_owned()),
        ("[]".to_owned(), "value is not a JSON object".to_owned()),
        ("null".to_owned(), "value is not a JSON object".to_owned()),
        ("{}".to_owned(), "missing field `message_id` in value".to_owned()),
        (with("sensor_id", "sensor"), "missing field `sensor_id` in value".to_owned()),
        (with("temperature", "heat"), "missing field `temperature` in `message`".to_owned()),
        (with(r#""0a1b""#, "12"), "`message_id` is not a string: 12".to_owned()),
        (with("0a1b", r"\ud800"), r#"`message_id` is not valid Unicode: "\ud800""#.to_owned()),
        (with("0a1b", r"0\u0000"), "`message_id` holds a NUL character".to_owned()),
        (with("1000.12", r#""\u0000""#), "`message` holds a NUL character".to_owned()),
        (with("7,", "7.5,"), "`sensor_id` is not an integer: 7.5".to_owned()),
        (with("7,", "1e0,"), "`sensor_id` is not an integer: 1e0".to_owned()),
        (with("7,", "3156058897.75,"), "`sensor_id` is not an integer: 3156058897.75".to_owned()),
        (with("7,", "0.0,"), "`sensor_id` is not an integer: 0.0".to_owned()),
        (with("7,", "2147483647.00000001,"), "`sensor_id` is not an integer: 2147483647.00000001".to_owned()),
        (with("7,", "[ 1,2 ],"), "`sensor_id` is not an integer: [ 1,2 ]".to_owned()),
        (
            with("7,", &format!("1{},", "0".repeat(4300))),
            format!("`sensor_id` is beyond the range of INT: 1{}…", "0".repeat(59)),
        ),
        (with("7,", r#""7","#), r#"`sensor_id` is not an integer: "7""#.to_owned()),
        (with("7,", "2147483648,"), "`sensor_id` is beyond the range of INT: 2147483648".to_owned()),
        (with("30.5", r#""30.5""#), r#"`temperature` is not a number: "30.5""#.to_owned()),
        (with("30.5", "1e999"), "`temperature` is beyond the range of a double: 1e999".to_owned()),
        (with("2024", "soon"), format!(r#"{no_time} "soon-05-02T10:11:12.123456+00:00""#)),
        (with("+00:00", ""), format!(r#"{no_time} "2024-05-02T10:11:12.123456""#)),
        (with(inner, "[30.5]"), "`message` is not a JSON object: [30.5]".to_owned()),
        (
            with("7,", &format!("\"{}\",", "é".repeat(1000))),
            format!("`sensor_id` is not an integer: \"{}…", "é".repeat(59)),
        ),
    ];
    for (value, expected) in cases {
        assert_eq!(read(&value).unwrap_err(), expected);
    }
}

proptest! {
    #[test]
    fn short_numbers_are_read_as_any(text in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?") {
        if let Some(number) = short_number(&text) {
            prop_assert_eq!(number.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
        }
    }

    /// Against serde_json, which reads the whole into a value.
    #[test]
    fn fields_are_those_of_the_value(
        text in r#"\{("(a|b|ab|a\\u0062)": (1|null|"x"|\[\{"a": 1\}\]|\{"(a|b)": ([0-9]|\{"b": 5\})(, "b":\{"b":6\})?\}), ){0,5}"z":0\}"#
    ) {
        let value: Value = serde_json::from_str(&text).unwrap();
        let paths = Paths::new(["a", "b", "a.a", "a.b", "b.b.b", "ab", "a.b.b"]);
        for field in fields(&text, &paths).unwrap() {
            let pointer = format!("/{}", field.path.replace('.', "/"));
            let expected = value.pointer(&pointer);
            let found: Option<Value> = field.raw().ok().map(|raw| serde_json::from_str(raw).unwrap());
            prop_assert_eq!(found.as_ref(), expected, "{} in {}", field.path, text);
        }
    }
}
