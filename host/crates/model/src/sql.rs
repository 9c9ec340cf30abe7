//! SQL text: quoting of names, where a statement has names, words and quotes, and the tables that it leaves to the
//! deployment.

use crate::error::Error;
use crate::text::quoted as shown;

/// A name as an identifier, whatever it contains.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `table` or `schema.table` as a qualified identifier. `None` where it is [neither](relation).
pub fn table_name(name: &str) -> Option<String> {
    Some(relation(name)?.iter().map(|part| ident(part)).collect::<Vec<_>>().join("."))
}

/// The parts of `table` or `schema.table`. Each stands for itself, upper case included; one in double quotes may
/// contain a dot (and `""` for a quote). `None` where it is neither.
pub fn relation(name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = name;
    loop {
        let (part, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => {
                let (part, tail) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
                (part.to_owned(), tail)
            }
        };
        if part.is_empty() || part.contains('\0') {
            return None;
        }
        parts.push(part);
        match tail.strip_prefix('.') {
            Some(next) if parts.len() < 2 => rest = next,
            None if tail.is_empty() => return Some(parts),
            _ => return None,
        }
    }
}

fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Some((part, after)),
        }
    }
}

/// What SQL consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// A keyword, a bare identifier, a number, or a numbered placeholder.
    Word(&'a str),
    /// Quotes and comments, whole.
    Skipped(&'a str),
    /// One other character.
    Other(&'a str),
}

impl<'a> Token<'a> {
    /// As it stands in the SQL.
    pub fn text(self) -> &'a str {
        match self {
            Self::Word(text) | Self::Skipped(text) | Self::Other(text) => text,
        }
    }
}

/// A statement in which every table that it names as `{table}` or `{schema.table}`, outside of quotes and comments, is one
/// in Postgres's words: `to`, which stands for the only one that it names so, or as it is named.
pub fn with_tables(sql: &str, to: Option<&str>) -> Result<String, Error> {
    let mut written = String::with_capacity(sql.len());
    let mut named: Option<&str> = None;
    let (mut at, mut opened) = (0, None);
    for token in tokens(sql) {
        let text = token.text();
        match (token, opened) {
            (Token::Other("{"), None) => opened = Some(at + 1),
            (Token::Other("}"), Some(start)) => {
                let name = sql.get(start..at).unwrap_or_default();
                let table = table_name(to.unwrap_or(name)).filter(|_| relation(name).is_some()).ok_or_else(|| {
                    Error::Illegal(format!(
                        "{} in its statement is neither `{{table}}` nor `{{schema.table}}`",
                        shown(name)
                    ))
                })?;
                if to.is_some() && named.is_some_and(|other| other != name) {
                    return Err(Error::Illegal("its statement names several tables in braces".to_owned()));
                }
                (named, opened) = (Some(name), None);
                written.push_str(&table);
            }
            (_, None) => written.push_str(text),
            (_, Some(_)) => {}
        }
        at += text.len();
    }
    match (opened, named, to) {
        (Some(_), ..) => Err(Error::Illegal("its statement has a `{` without its `}`".to_owned())),
        (None, None, Some(_)) => {
            Err(Error::Illegal("its statement names no table in braces, as in INSERT INTO {readings} …".to_owned()))
        }
        _ => Ok(written),
    }
}

/// Cuts SQL into tokens; end to end they are the text again.
pub fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = sql;
    let mut escapes = false;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
        let token: fn(_) -> _;
        let length = match first {
            '\'' => {
                token = Token::Skipped;
                quoted(rest, '\'', escapes)
            }
            '"' => {
                token = Token::Skipped;
                quoted(rest, '"', false)
            }
            '-' if rest.starts_with("--") => {
                token = Token::Skipped;
                rest.find('\n').unwrap_or(rest.len())
            }
            '/' if rest.starts_with("/*") => {
                token = Token::Skipped;
                comment(rest)
            }
            '$' if dollar_quoted(rest).is_some() => {
                token = Token::Skipped;
                dollar_quoted(rest).unwrap_or(rest.len())
            }
            c if is_word(c) => {
                token = Token::Word;
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            }
            c => {
                token = Token::Other;
                c.len_utf8()
            }
        };
        let (text, tail) = rest.split_at(length);
        rest = tail;
        // In E'…' a backslash escapes.
        escapes = text.eq_ignore_ascii_case("e");
        Some(token(text))
    })
}

/// The length of a quoted string at the start of `text`. A doubled quote ends one string and starts another: the same.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return at + c.len_utf8();
        }
        if c == '\\' && escapes {
            chars.next();
        }
    }
    text.len()
}

/// The length of a comment at the start of `text`; comments nest.
fn comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            2
        } else {
            match rest.chars().next() {
                Some(c) => c.len_utf8(),
                None => break,
            }
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a `$tag$…$tag$` at the start of `text`, if there is one.
fn dollar_quoted(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('$')?;
    let tag_end = inner.find('$')?;
    let tag = inner.get(..tag_end)?;
    let is_tag = |(i, c): (usize, char)| c == '_' || !c.is_ascii() || c.is_alphabetic() || i > 0 && c.is_alphanumeric();
    if !tag.char_indices().all(is_tag) {
        return None;
    }
    let delimiter = text.get(..tag_end + 2)?;
    let body = text.get(delimiter.len()..)?;
    Some(body.find(delimiter).map_or(text.len(), |end| end + 2 * delimiter.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_quoted_part_by_part() {
        for (name, quoted) in [
            ("raw_sensors_data", Some(r#""raw_sensors_data""#)),
            ("iot.Readings", Some(r#""iot"."Readings""#)),
            (r#""a.b".c"#, Some(r#""a.b"."c""#)),
            (r#""say ""hi""""#, Some(r#""say ""hi""""#)),
            (r#"a"b; drop"#, Some(r#""a""b; drop""#)),
            ("", None),
            ("a.", None),
            (".a", None),
            ("a.b.c", None),
            (r#""a"#, None),
            (r#""a"b"#, None),
        ] {
            assert_eq!(table_name(name).as_deref(), quoted, "{name}");
        }
    }

    #[test]
    fn tables_in_braces_are_the_deployments() {
        let told = |sql, to| with_tables(sql, to).map_err(|error| error.to_string());
        let sql = "INSERT INTO {iot.Readings} AS r SELECT $1, '{a}'::text[] -- {no}\nFROM {iot.Readings}";
        for (to, table) in [(None, r#""iot"."Readings""#), (Some("staging"), r#""staging""#)] {
            let written = format!("INSERT INTO {table} AS r SELECT $1, '{{a}}'::text[] -- {{no}}\nFROM {table}");
            assert_eq!(told(sql, to), Ok(written));
        }
        let plain = "UPDATE t SET a = $${b}$$";
        assert_eq!(told(plain, None).as_deref(), Ok(plain));
        for (sql, to, why) in [
            (plain, Some("x"), "its statement names no table in braces, as in INSERT INTO {readings} …"),
            ("INSERT INTO {a} SELECT * FROM {b}", Some("x"), "its statement names several tables in braces"),
            ("INSERT INTO {a", None, "its statement has a `{` without its `}`"),
            ("INSERT INTO {}", None, "\"\" in its statement is neither `{table}` nor `{schema.table}`"),
            ("INSERT INTO {a.b.c}", Some("x"), "\"a.b.c\" in its statement is neither `{table}` nor `{schema.table}`"),
        ] {
            assert_eq!(told(sql, to), Err(why.to_owned()), "{sql}");
        }
        assert!(told("INSERT INTO {a} SELECT * FROM {b}", None).is_ok());
    }

    proptest! {
        #[test]
        fn tokens_are_the_text_again(sql in "[a$'\"?/*é1\\-\n\\\\ eE]{0,40}") {
            let again: String = tokens(&sql).map(Token::text).collect();
            prop_assert_eq!(again, sql);
        }
    }
}
