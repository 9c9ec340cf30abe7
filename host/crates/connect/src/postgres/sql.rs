//! SQL text: reading a job's statement just well enough to find its verb and its placeholders.

use pelton_model::sql::{Token, ident, tokens};

/// A list of names as identifiers.
pub(super) fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// A text as a string literal, whatever it contains.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
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
    let numbered = tokens(sql).filter_map(placeholder).max();
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
            token => converted.sql.push_str(token.text()),
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

/// The number of a numbered placeholder.
fn placeholder(token: Token<'_>) -> Option<usize> {
    match token {
        Token::Word(word) => word.strip_prefix('$')?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        fn any_quoted_text_is_left_alone(text in "[^']*") {
            let sql = format!("SELECT '{text}'");
            prop_assert_eq!(convert(&sql).sql, sql);
        }
    }
}
