//! Refusals as people and programs are told of them, wherever they come from.

use std::fmt::{self, Display};

use crate::text::{line, lines};

/// What was refused, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// A short name for programs.
    pub code: &'static str,
    /// What was refused.
    pub title: String,
    /// Why, item by item.
    pub causes: Vec<String>,
    /// What to do.
    pub fix: Option<String>,
}

impl Explanation {
    /// With one reason.
    pub fn new(code: &'static str, title: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { code, title: title.into(), causes: vec![cause.into()], fix: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.title, &self.causes, self.fix.as_deref())
    }
}

/// Writes a refusal for people: on one line where it has one reason, else with a line for each, as with a difference. A
/// reason's own lines are indented, and nothing in any of it is more than text.
pub fn write(f: &mut fmt::Formatter<'_>, title: &str, causes: &[String], fix: Option<&str>) -> fmt::Result {
    f.write_str(&line(title))?;
    match causes {
        [] => {}
        [one] if !is_of_difference(one) => write!(f, ": {}", lines(one))?,
        many => many.iter().try_for_each(|item| {
            let sign = if is_of_difference(item) { "" } else { "- " };
            write!(f, "\n  {sign}{}", lines(item))
        })?,
    }
    fix.iter().try_for_each(|fix| write!(f, "\n{}", line(fix)))
}

/// Whether a reason is a line of a difference, which has a sign of its own.
fn is_of_difference(reason: &str) -> bool {
    ["- ", "+ "].iter().any(|sign| reason.starts_with(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_begins_no_line_of_its_own() {
        let told = Explanation::new("x", "a\nb", "trapped\x1b[2J\nat \u{202e}f\n\nall is well").fix("try\rit");
        assert_eq!(told.to_string(), "a\\nb: trapped\\u{1b}[2J\n    at \\u{202e}f\n    \n    all is well\ntry\\rit");
    }

    #[test]
    fn a_difference_has_the_signs_that_it_has() {
        let mut told = Explanation::new("x", "it would drop something", "- sink a");
        assert_eq!(told.to_string(), "it would drop something\n  - sink a");
        told.causes.push("+ sink b".to_owned());
        assert_eq!(told.to_string(), "it would drop something\n  - sink a\n  + sink b");
    }

    #[test]
    fn several_reasons_are_a_list() {
        let mut told = Explanation::new("missing", "the job is not submitted", "topic \"a\"").fix("create it");
        assert_eq!(told.to_string(), "the job is not submitted: topic \"a\"\ncreate it");
        told.causes.push("table b".to_owned());
        assert_eq!(told.to_string(), "the job is not submitted\n  - topic \"a\"\n  - table b\ncreate it");
    }
}
