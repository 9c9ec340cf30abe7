//! What a variable of the environment stands for: `true`, `false`, a number, `[a, b]`, `{key = value}`, `"text"`, or
//! else the text as it is.

use toml::{Table, Value};

/// The value of a variable.
pub(super) fn value(text: &str) -> Value {
    let mut left = text;
    any(&mut left).filter(|_| left.trim().is_empty()).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn any(left: &mut &str) -> Option<Value> {
    *left = left.trim_start();
    for (word, truth) in [("true", true), ("false", false)] {
        if eat(left, word) {
            return Some(Value::Boolean(truth));
        }
    }
    match left.chars().next() {
        Some('[') => list(left, '[', ']', any).map(Value::Array),
        Some('{') => {
            let entries = list(left, '{', '}', |left| {
                let key = key(left)?;
                eat(left, "=").then_some(())?;
                Some((key, any(left)?))
            })?;
            Some(Value::Table(entries.into_iter().collect()))
        }
        Some('"') => quoted(left).map(Value::String),
        _ => Some(bare(take(left, |sign| !",{}[]".contains(sign)).trim())),
    }
}

fn bare(word: &str) -> Value {
    if word.contains('.')
        && let Ok(number) = word.parse()
    {
        return Value::Float(number);
    }
    word.parse().map_or_else(|_| Value::String(word.to_owned()), Value::Integer)
}

fn list<T>(left: &mut &str, open: char, close: char, item: impl Fn(&mut &str) -> Option<T>) -> Option<Vec<T>> {
    let mut items = Vec::new();
    *left = left.strip_prefix(open)?;
    loop {
        *left = left.trim_start();
        if let Some(after) = left.strip_prefix(close) {
            *left = after;
            return Some(items);
        }
        items.push(item(left)?);
        *left = left.trim_start();
        if !eat(left, ",") && !left.starts_with(close) {
            return None;
        }
    }
}

fn key(left: &mut &str) -> Option<String> {
    *left = left.trim_start();
    let key = if left.starts_with('"') {
        quoted(left)?
    } else {
        take(left, |sign| sign.is_ascii_alphanumeric() || "_-".contains(sign)).to_owned()
    };
    *left = left.trim_start();
    (!key.is_empty()).then_some(key)
}

/// Text in quotes, with the escapes of TOML.
fn quoted(left: &mut &str) -> Option<String> {
    let mut escaped = false;
    let end = left.char_indices().skip(1).find(|(_, sign)| {
        let ends = *sign == '"' && !escaped;
        escaped = *sign == '\\' && !escaped;
        ends
    });
    let (literal, after) = left.split_at_checked(end?.0 + 1)?;
    *left = after;
    match format!("text = {literal}").parse::<Table>().ok()?.remove("text") {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn eat(left: &mut &str, word: &str) -> bool {
    left.strip_prefix(word).map(|after| *left = after).is_some()
}

fn take<'a>(left: &mut &'a str, part: impl Fn(char) -> bool) -> &'a str {
    let (taken, after) = left.split_at(left.find(|sign| !part(sign)).unwrap_or(left.len()));
    *left = after;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(variable: &str, literal: &str) {
        let table: Table = format!("value = {literal}").parse().unwrap();
        assert_eq!(Some(&value(variable)), table.get("value"), "{variable}");
    }

    #[test]
    fn a_variable_is_what_it_looks_like() {
        same("true", "true");
        same(" false ", "false");
        same("12", "12");
        same("-12", "-12");
        same("0.5", "0.5");
        same("\"12\"", "'12'");
        same(r#""a\"b\n""#, r#""a\"b\n""#);
        same("[a.example, \"b\", 3,]", "['a.example', 'b', 3]");
        same("[]", "[]");
        same("{a = 1, \"b.c\" = SASL_SSL}", "{ a = 1, 'b.c' = 'SASL_SSL' }");
    }

    #[test]
    fn anything_else_is_text() {
        for text in ["", "5ms", "truethful", "a,b", "[a", "{a}", "\"a", "\"a\" b", "1.2.3", "127.0.0.1:8081", "é,"] {
            assert_eq!(value(text), Value::String(text.to_owned()));
        }
    }
}
