//! What is wrong with the settings, told without what was found: a secret may stand where nobody expects it.

use figment::error::{Actual, Kind};

/// What was found, by its kind.
fn kind(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a truth value",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

/// The parser of TOML quotes the line that it can't read. Only what it says about it is kept.
fn without_quotes(message: &str) -> String {
    let quoted =
        |line: &str| line.trim_start_matches([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).starts_with('|');
    message.lines().filter(|line| !quoted(line)).collect::<Vec<_>>().join(": ")
}

/// All that is wrong, one line each.
pub(super) fn told(error: figment::Error) -> String {
    let lines = error.into_iter().map(|error| {
        let what = match &error.kind {
            Kind::InvalidType(found, expected) => format!("invalid type: found {}, expected {expected}", kind(found)),
            Kind::InvalidValue(found, expected) => format!("invalid value: found {}, expected {expected}", kind(found)),
            Kind::Message(message) => without_quotes(message),
            other => other.to_string(),
        };
        let key = match error.path.join(".") {
            key if key.is_empty() => key,
            key => format!(" for key {key:?}"),
        };
        let place = error.metadata.map_or_else(String::new, |metadata| match metadata.source {
            Some(source) => format!(" in {source}"),
            None => format!(" in {}", metadata.name),
        });
        format!("{what}{key}{place}")
    });
    lines.collect::<Vec<_>>().join("\n")
}
