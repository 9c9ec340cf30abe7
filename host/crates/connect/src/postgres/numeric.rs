//! Decimal text to Postgres's binary `numeric`.
//!
//! Accepts what Postgres accepts as input of a `numeric`: an optional sign, digits with an optional point, an optional
//! exponent, `NaN`, and `Infinity` or `inf` with an optional sign (which a server before version 14 refuses). The value
//! and the number of digits after the point are kept exactly; what Postgres could not hold is refused here.

/// Postgres keeps the number of digits after the point in 14 bits.
const MAX_SCALE: i64 = 0x3fff;
/// The exponent of the first decimal digit, where the first base-10000 digit has the highest weight there is.
const MAX_EXPONENT: i64 = 131_071;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const POSITIVE_INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;

/// Appends the binary form of the number. On an error, which says what is wrong with the text, nothing is appended.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let text = text.trim_ascii();
    let (sign, unsigned) = match text.split_first() {
        Some((b'-', rest)) => (NEGATIVE, rest),
        Some((b'+', rest)) => (POSITIVE, rest),
        _ => (POSITIVE, text),
    };
    if text.eq_ignore_ascii_case(b"nan") {
        header(0, 0, NAN, 0, out);
        return Ok(());
    }
    if unsigned.eq_ignore_ascii_case(b"infinity") || unsigned.eq_ignore_ascii_case(b"inf") {
        header(0, 0, if sign == NEGATIVE { NEGATIVE_INFINITY } else { POSITIVE_INFINITY }, 0, out);
        return Ok(());
    }
    finite(sign, unsigned, out)
}

fn finite(sign: u16, text: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (text.get(..at).unwrap_or_default(), parse_exponent(text.get(at + 1..).unwrap_or_default())?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
        Some(at) => (mantissa.get(..at).unwrap_or_default(), mantissa.get(at + 1..).unwrap_or_default()),
        None => (mantissa, &[][..]),
    };
    let digits = || whole.iter().chain(fraction).map(|byte| byte.wrapping_sub(b'0'));
    let count = whole.len() + fraction.len();
    if count == 0 || digits().any(|digit| digit > 9) {
        return Err("is not a number");
    }

    let scale = (fraction.len() as i64).saturating_sub(exponent).max(0);
    if scale > MAX_SCALE {
        return Err("has more than 16383 digits after the decimal point");
    }
    let Some(first) = digits().position(|digit| digit != 0) else {
        header(0, 0, POSITIVE, scale as u16, out);
        return Ok(());
    };
    let significant = count - first - digits().rev().position(|digit| digit != 0).unwrap_or(0);
    // The power of ten that the first significant digit stands for.
    let leading = (whole.len() as i64 - 1 - first as i64).saturating_add(exponent);
    if leading > MAX_EXPONENT {
        return Err("has more than 131072 digits before the decimal point");
    }

    let weight = leading.div_euclid(4);
    // How many of its four decimal digits the first base-10000 digit really has.
    let mut filled = leading.rem_euclid(4) as usize + 1;
    let groups = 1 + significant.saturating_sub(filled).div_ceil(4);
    header(groups as u16, weight as i16, sign, scale as u16, out);
    let mut digits = digits().skip(first).take(significant);
    for _ in 0..groups {
        let group = (0..filled).fold(0u16, |group, _| group * 10 + u16::from(digits.next().unwrap_or(0)));
        out.extend_from_slice(&group.to_be_bytes());
        filled = 4;
    }
    Ok(())
}

/// An exponent, saturated: one that large is out of range in any case, or of no matter because the digits are all 0.
fn parse_exponent(text: &[u8]) -> Result<i64, &'static str> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("is not a number");
    }
    let size = digits.iter().fold(0i64, |n, byte| (n * 10 + i64::from(byte - b'0')).min(1 << 40));
    Ok(if negative { -size } else { size })
}

fn header(groups: u16, weight: i16, sign: u16, scale: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&groups.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads the binary form back as Postgres prints it.
    fn decode(binary: &[u8]) -> String {
        let word = |i: usize| u16::from_be_bytes([binary[2 * i], binary[2 * i + 1]]);
        let (groups, weight, sign, scale) = (word(0) as usize, word(1) as i16, word(2), word(3) as usize);
        assert_eq!(binary.len(), 8 + 2 * groups);
        match sign {
            NAN => return "NaN".to_owned(),
            POSITIVE_INFINITY => return "Infinity".to_owned(),
            NEGATIVE_INFINITY => return "-Infinity".to_owned(),
            _ => {}
        }
        let group = |at: i64| {
            let i = i64::from(weight) - at;
            if (0..groups as i64).contains(&i) { word(4 + i as usize) } else { 0 }
        };
        if groups > 0 {
            assert_ne!(word(4), 0, "a leading zero group");
            assert_ne!(word(3 + groups), 0, "a trailing zero group");
            assert!((4..4 + groups).all(|i| word(i) < 10_000));
        }
        let mut whole: String = (0..=i64::from(weight).max(0)).rev().map(|at| format!("{:04}", group(at))).collect();
        whole = whole.trim_start_matches('0').to_owned();
        let fraction: String = (1..=scale.div_ceil(4) as i64).map(|at| format!("{:04}", group(-at))).collect();
        let whole = if whole.is_empty() { "0" } else { &whole };
        let sign = if sign == NEGATIVE { "-" } else { "" };
        if scale > 0 { format!("{sign}{whole}.{}", &fraction[..scale]) } else { format!("{sign}{whole}") }
    }

    fn through(text: &str) -> Result<String, &'static str> {
        let mut out = Vec::new();
        encode(text.as_bytes(), &mut out).map(|()| decode(&out))
    }

    #[test]
    fn prints_as_postgres_does() {
        for (text, printed) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.00", "0.00"),
            ("-12.50", "-12.50"),
            ("+7", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            (" 1 ", "1"),
            ("00012", "12"),
            ("10000", "10000"),
            ("99990000.0001", "99990000.0001"),
            ("1e3", "1000"),
            ("1.5e3", "1500"),
            ("1.23456e2", "123.456"),
            ("1e-5", "0.00001"),
            ("12e-1", "1.2"),
            ("0e99999999999999999999", "0"),
            ("nan", "NaN"),
            ("Infinity", "Infinity"),
            ("-inf", "-Infinity"),
        ] {
            assert_eq!(through(text).as_deref(), Ok(printed), "{text}");
        }
    }

    #[test]
    fn refuses_what_postgres_cannot_hold() {
        for text in ["", " ", ".", "-", "e5", "1e", "1e+", "1.2.3", "12a", "0x10", "1 2", "--1", "-NaN", "１"] {
            assert_eq!(through(text), Err("is not a number"), "{text:?}");
        }
        assert!(through("1e131071").is_ok());
        for text in ["1e131072", "-10e131071", "1e99999999999999999999"] {
            assert_eq!(through(text), Err("has more than 131072 digits before the decimal point"), "{text:?}");
        }
        assert!(through("1e-16383").is_ok());
        for text in ["1e-16384", "0.1e-16383", "0e-16384", "1e-99999999999999999999"] {
            assert_eq!(through(text), Err("has more than 16383 digits after the decimal point"), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn plain_decimals_come_back(text in "-?[1-9][0-9]{0,40}(\\.[0-9]{0,39}[1-9])?") {
            let printed = through(&text);
            prop_assert_eq!(printed.as_deref(), Ok(text.as_str()));
        }

        #[test]
        fn an_exponent_moves_the_point(digits in 1..u64::MAX, exponent in -40i32..40) {
            let text = digits.to_string();
            let expected = if exponent >= 0 {
                format!("{text}{}", "0".repeat(exponent as usize))
            } else {
                let places = exponent.unsigned_abs() as usize;
                let padded = format!("{text:0>width$}", width = places + 1);
                let (whole, fraction) = padded.split_at(padded.len() - places);
                format!("{whole}.{fraction}")
            };
            prop_assert_eq!(through(&format!("{text}e{exponent}")), Ok(expected));
        }

        #[test]
        fn no_text_breaks_it(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut out = vec![7];
            let result = encode(&text, &mut out);
            prop_assert_eq!(out.len() > 1, result.is_ok());
        }
    }
}
