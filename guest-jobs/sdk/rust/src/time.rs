//! Times as RFC 3339 writes them, with or without a fraction: Python leaves it out where it is zero.

/// Microseconds since 1970-01-01 00:00:00 UTC of a time such as `2024-05-02T10:11:12.123456+00:00`; nothing where the
/// text is none, or of a year outside 1 to 9999. Digits beyond the microsecond are cut off; second 60 is the first of
/// the next minute.
pub fn microseconds(text: &str) -> Option<i64> {
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b't' | b' ',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        ref rest @ ..,
    ] = text.as_bytes()
    else {
        return None;
    };
    let (year, month, day) = (number([y1, y2, y3, y4])?, number([m1, m2])?, number([d1, d2])?);
    let (hour, minute, second) = (number([h1, h2])?, number([n1, n2])?, number([s1, s2])?);
    let (fraction, zone) = match rest {
        [b'.', rest @ ..] => fraction(rest)?,
        _ => (0, rest),
    };
    let is_a_time =
        year >= 1 && (1..=days_in_month(year, month)?).contains(&day) && hour <= 23 && minute <= 59 && second <= 60;
    let minutes = (days(year, month, day) * 24 + hour) * 60 + minute - offset(zone)?;
    is_a_time.then_some((minutes * 60 + second) * 1_000_000 + fraction)
}

fn number<const DIGITS: usize>(digits: [u8; DIGITS]) -> Option<i64> {
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    all_digits.then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// The microseconds of the digits at the start, and what follows them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let (mut rest, mut microseconds, mut unit) = (text, 0, 100_000);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        microseconds += i64::from(digit - b'0') * unit;
        unit /= 10;
        rest = after;
    }
    (rest.len() < text.len()).then_some((microseconds, rest))
}

/// The minutes of `Z` or `+hh:mm`.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number([h1, h2])?, number([m1, m2])?);
            let offset = hours * 60 + minutes;
            (hours <= 23 && minutes <= 59).then_some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
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
        assert_eq!(microseconds("2024-05-02T10:11:12.123456+00:00"), Some(1_714_644_672_123_456));
        assert_eq!(microseconds("2024-05-02T10:11:12+00:00"), Some(1_714_644_672_000_000));
        assert_eq!(microseconds("2024-05-02T10:11:12Z"), Some(1_714_644_672_000_000));
        assert_eq!(microseconds("2024-05-02T10:11:12.5-02:30"), Some(1_714_653_672_500_000));
        assert_eq!(microseconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(microseconds("2016-12-31T23:59:60Z"), microseconds("2017-01-01T00:00:00Z"));
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
