//! SQL text: quoting of names, and reading a job's statement just well enough to find its verb and its placeholders.

use pelton_model::bounds::relation;

/// A name as an identifier, whatever it contains.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A list of names as identifiers.
pub(super) fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// A text as a string literal, whatever it contains.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// `table` or `schema.table` as a qualified identifier. `None` where it is [neither](relation).
pub(super) fn table_name(name: &str) -> Option<String> {
    Some(relation(name)?.iter().map(|part| ident(part)).collect::<Vec<_>>().join("."))
}

/// A statement of a job, made fit for Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Converted {
    /// With placeholders `$1`, `$2`, ….
    pub(super) sql: String,
    /// The highest placeholder.
    pub(super) placeholders: usize,
    /// `insert`, `update`, `delete`, or whatever else it is; the main one where it starts with `with`.
    pub(super) verb: String,
}

/// Finds verb and placeholders. In a statement without `$1` every `?` outside of quotes and comments becomes the next
/// placeholder, and `??` becomes `?`, the operator of `jsonb`; in one with `$1` a `?` stays what it is.
pub(super) fn convert(sql: &str) -> Converted {
    let numbered = tokens(sql).filter_map(|token| token.placeholder()).max();
    let mut converted = Converted { sql: String::new(), placeholders: numbered.unwrap_or(0), verb: verb(sql) };
    let mut tokens = tokens(sql).peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Other("?") if numbered.is_none() => {
                if tokens.next_if_eq(&Token::Other("?")).is_some() {
                    converted.sql.push('?');
                } else {
                    converted.placeholders += 1;
                    converted.sql.push_str(&format!("${}", converted.placeholders));
                }
            }
            Token::Word(text) | Token::Skipped(text) | Token::Other(text) => converted.sql.push_str(text),
        }
    }
    converted
}

fn verb(sql: &str) -> String {
    const MAIN: [&str; 7] = ["insert", "update", "delete", "merge", "select", "values", "table"];
    let mut depth = 0usize;
    let mut with = false;
    for token in tokens(sql) {
        match token {
            Token::Other("(") => depth += 1,
            Token::Other(")") => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 => {
                let word = word.to_ascii_lowercase();
                if with && MAIN.contains(&word.as_str()) || !with && word != "with" {
                    return word;
                }
                with = true;
            }
            _ => {}
        }
    }
    String::new()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A keyword, a bare identifier, a number, or a numbered placeholder.
    Word(&'a str),
    /// Quotes and comments, whole.
    Skipped(&'a str),
    /// One other character.
    Other(&'a str),
}

impl Token<'_> {
    fn placeholder(self) -> Option<usize> {
        match self {
            Self::Word(word) => word.strip_prefix('$')?.parse().ok(),
            _ => None,
        }
    }
}

/// Cuts SQL into tokens; end to end they are the text again.
fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
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
    fn placeholders_become_numbered_outside_of_quotes_and_comments() {
        for (sql, converted, count) in [
            ("INSERT INTO t VALUES (?, ?)", "INSERT INTO t VALUES ($1, $2)", 2),
            ("insert into t values ($2, $1, $2)", "insert into t values ($2, $1, $2)", 2),
            ("UPDATE t SET a = a ? 'x' WHERE b = $1", "UPDATE t SET a = a ? 'x' WHERE b = $1", 1),
            ("UPDATE t SET a = b ?? 'x', c = ?", "UPDATE t SET a = b ? 'x', c = $1", 1),
            ("DELETE FROM t WHERE a = b ??| array['x']", "DELETE FROM t WHERE a = b ?| array['x']", 0),
            ("INSERT INTO t VALUES ('?', 'it''s ?', ?)", "INSERT INTO t VALUES ('?', 'it''s ?', $1)", 1),
            (r"INSERT INTO t VALUES (E'\'?', '\', ?)", r"INSERT INTO t VALUES (E'\'?', '\', $1)", 1),
            ("INSERT INTO \"what?\" -- why?\n VALUES (?)", "INSERT INTO \"what?\" -- why?\n VALUES ($1)", 1),
            ("/* ? /* ? */ ? */ DELETE FROM t WHERE a=?", "/* ? /* ? */ ? */ DELETE FROM t WHERE a=$1", 1),
            ("INSERT INTO t VALUES ($$?$$, $q$ ? $$ $q$, ?)", "INSERT INTO t VALUES ($$?$$, $q$ ? $$ $q$, $1)", 1),
            ("UPDATE a$1 SET é=?", "UPDATE a$1 SET é=$1", 1),
            ("UPDATE t SET a='unclosed ?", "UPDATE t SET a='unclosed ?", 0),
        ] {
            let found = convert(sql);
            assert_eq!((found.sql.as_str(), found.placeholders), (converted, count), "{sql}");
        }
    }

    #[test]
    fn the_verb_is_that_of_the_main_query() {
        for (sql, verb) in [
            ("INSERT INTO t VALUES (1)", "insert"),
            ("  -- select\n/* x */ Update t SET a=1", "update"),
            ("WITH x AS (SELECT 1) DELETE FROM t", "delete"),
            ("with recursive x (a) as (insert into t values (1) returning *) select * from x", "select"),
            ("SELECT 1", "select"),
            ("DROP TABLE t", "drop"),
            ("", ""),
            ("(((", ""),
        ] {
            assert_eq!(convert(sql).verb, verb, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn tokens_are_the_text_again(sql in "[a$'\"?/*é1\\-\n\\\\ eE]{0,40}") {
            let again: String = tokens(&sql).map(|token| match token {
                Token::Word(text) | Token::Skipped(text) | Token::Other(text) => text,
            }).collect();
            prop_assert_eq!(again, sql);
        }

        #[test]
        fn any_quoted_text_is_left_alone(text in "[^']*") {
            let sql = format!("SELECT '{text}'");
            prop_assert_eq!(convert(&sql).sql, sql);
        }
    }
}
