//! Times as RFC 3339 writes them, with or without a fraction: Python leaves it out where it is zero, and the article's
//! job died of that.

/// Microseconds since 1970-01-01 00:00:00 UTC of a time such as `2024-05-02T10:11:12.123456+00:00`; nothing where the
/// text is none, or of a year outside 1 to 9999. Digits beyond the microsecond are cut off; second 60 is the first of
/// the next minute.
pub(crate) fn microseconds(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let year = number(&mut rest, 4)?;
    one_of(&mut rest, b"-")?;
    let month = number(&mut rest, 2)?;
    one_of(&mut rest, b"-")?;
    let day = number(&mut rest, 2)?;
    one_of(&mut rest, b"Tt ")?;
    let hour = number(&mut rest, 2)?;
    one_of(&mut rest, b":")?;
    let minute = number(&mut rest, 2)?;
    one_of(&mut rest, b":")?;
    let second = number(&mut rest, 2)?;
    let fraction = if one_of(&mut rest, b".").is_some() {
        fraction(&mut rest)?
    } else {
        0
    };
    let offset = offset(&mut rest)?;
    let is_a_time = rest.is_empty()
        && year >= 1
        && (1..=days_in_month(year, month)?).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second;
    is_a_time.then_some(seconds * 1_000_000 + fraction)
}

/// Takes so many digits.
fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (digits, after) = rest.split_at_checked(digits)?;
    *rest = after;
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Takes one of these characters, if it comes next.
fn one_of(rest: &mut &[u8], characters: &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    characters.contains(&first).then(|| {
        *rest = after;
        first
    })
}

/// Takes the digits after the point, and gives microseconds.
fn fraction(rest: &mut &[u8]) -> Option<i64> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at_checked(digits)?;
    *rest = after;
    let places = digits
        .iter()
        .map(|digit| i64::from(digit - b'0'))
        .chain(std::iter::repeat(0))
        .take(6);
    (!digits.is_empty()).then(|| places.fold(0, |number, digit| number * 10 + digit))
}

/// Takes `Z` or `+hh:mm`, and gives minutes.
fn offset(rest: &mut &[u8]) -> Option<i64> {
    if one_of(rest, b"Zz").is_some() {
        return Some(0);
    }
    let sign = if one_of(rest, b"+-")? == b'-' { -1 } else { 1 };
    let hours = number(rest, 2)?;
    one_of(rest, b":")?;
    let minutes = number(rest, 2)?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the leap day is the
/// last day of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    #[test]
    fn times_of_the_article() {
        assert_eq!(
            microseconds("2024-05-02T10:11:12.123456+00:00"),
            Some(1_714_644_672_123_456)
        );
        assert_eq!(
            microseconds("2024-05-02T10:11:12+00:00"),
            Some(1_714_644_672_000_000)
        );
        assert_eq!(
            microseconds("2024-05-02T10:11:12Z"),
            Some(1_714_644_672_000_000)
        );
        assert_eq!(
            microseconds("2024-05-02T10:11:12.5-02:30"),
            Some(1_714_653_672_500_000)
        );
        assert_eq!(microseconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            microseconds("2016-12-31T23:59:60Z"),
            microseconds("2017-01-01T00:00:00Z")
        );
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2024-05-02",
            "2024-05-02T10:11:12",
            "2024-05-02T10:11:12.Z",
            "2024-05-02T10:11:12Z ",
            "2024-05-02T10:11:12+0000",
            "2024-05-02T10:11:12+24:00",
            "2024-05-02T24:00:00Z",
            "2024-05-02T10:60:00Z",
            "2024-05-02T10:11:61Z",
            "2024-13-02T10:11:12Z",
            "2024-00-02T10:11:12Z",
            "2024-05-00T10:11:12Z",
            "2024-02-30T10:11:12Z",
            "2023-02-29T10:11:12Z",
            "1900-02-29T10:11:12Z",
            "0000-01-01T00:00:00Z",
            "+2024-05-02T10:11:12Z",
            "2024-5-2T10:11:12Z",
            "2024-05-02T10:11:12.12\u{664}Z",
        ] {
            assert_eq!(microseconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_chronos(
            micros in -62_135_596_800_000_000i64..253_402_300_800_000_000,
            places in 0usize..10,
            offset in -1439i32..=1439,
        ) {
            let Some(time) = DateTime::from_timestamp_micros(micros) else { return Err(TestCaseError::reject("range")) };
            let zone = chrono::FixedOffset::east_opt(offset * 60).unwrap();
            let local = time.with_timezone(&zone).naive_local();
            let year = chrono::Datelike::year(&local);
            prop_assume!((1..=9999).contains(&year));
            let fraction: String = format!("{:09}", micros.rem_euclid(1_000_000) * 1000).chars().take(places).collect();
            let point = if places == 0 { "" } else { "." };
            let sign = if offset < 0 { '-' } else { '+' };
            let zone = format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
            let text = format!("{}{point}{fraction}{zone}", local.format("%Y-%m-%dT%H:%M:%S"));
            let expected = DateTime::parse_from_rfc3339(&text).unwrap().timestamp_micros();
            prop_assert_eq!(microseconds(&text), Some(expected), "{}", text);
        }

        #[test]
        fn every_text_of_that_form_is_judged_as_chrono_does(
            text in "[0-9]{3}[1-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])"
        ) {
            let expected = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.timestamp_micros());
            prop_assert_eq!(microseconds(&text), expected, "{}", text);
        }
    }
}
