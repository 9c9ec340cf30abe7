//! What a job printed, compared line by line with what it should print.

use std::path::Path;

use pelton_model::regular::{self, COMPONENT_BYTES};

use super::error::TrialError;

/// Matches any text, also none.
const ANY: char = '…';

/// The lines that a job should print. In them, `…` matches any text.
#[derive(Debug)]
pub struct Golden {
    lines: Vec<String>,
    printed: Vec<String>,
}

impl Golden {
    /// Reads the file.
    ///
    /// # Errors
    /// It can't be read, or is not UTF-8.
    pub fn open(path: &Path) -> Result<Self, TrialError> {
        let text = regular::read_text(path, COMPONENT_BYTES)
            .map_err(|cause| TrialError::Golden { path: path.to_owned(), cause })?;
        Ok(Self { lines: text.lines().map(str::to_owned).collect(), printed: Vec::new() })
    }

    /// Takes the next line that the job printed.
    pub fn take(&mut self, line: &str) {
        self.printed.push(line.to_owned());
    }

    /// A file with no lines yet.
    pub fn none() -> Self {
        Self { lines: Vec::new(), printed: Vec::new() }
    }

    /// The lines in which the two differ: `-` before one that should be there, `+` before one that should not.
    pub fn differences(&self) -> Vec<String> {
        let told = |step: Step<'_>| match step {
            Step::Same(_) => None,
            Step::Gone(line) => Some(format!("- {line}")),
            Step::Come(line) => Some(format!("+ {line}")),
        };
        self.steps().into_iter().filter_map(told).collect()
    }

    /// The file with what was printed in the place of what differs: a line with `…` that fits stays as it is.
    pub fn updated(&self) -> String {
        let kept = |step| match step {
            Step::Same(line) | Step::Come(line) => Some(format!("{line}\n")),
            Step::Gone(_) => None,
        };
        self.steps().into_iter().filter_map(kept).collect()
    }

    fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        let (mut wanted, mut printed) = (self.lines.as_slice(), self.printed.as_slice());
        loop {
            match (wanted.split_first(), printed.split_first()) {
                (None, None) => return steps,
                (Some((want, wanted_rest)), Some((print, printed_rest))) if matches(want, print) => {
                    steps.push(Step::Same(want));
                    (wanted, printed) = (wanted_rest, printed_rest);
                }
                _ => {
                    let (missing, surplus) = next_match(wanted, printed);
                    let (gone, come) = (wanted.iter().take(missing), printed.iter().take(surplus));
                    steps.extend(gone.map(|line| Step::Gone(line)));
                    steps.extend(come.map(|line| Step::Come(line)));
                    wanted = wanted.get(missing..).unwrap_or_default();
                    printed = printed.get(surplus..).unwrap_or_default();
                }
            }
        }
    }
}

/// What becomes of a line.
enum Step<'a> {
    /// It is there, as it should be: the line of the file.
    Same(&'a str),
    /// It should be there.
    Gone(&'a str),
    /// It should not.
    Come(&'a str),
}

/// How many lines to pass over in each until they agree again: as few as possible; all where they never do.
fn next_match(wanted: &[String], printed: &[String]) -> (usize, usize) {
    /// Beyond it the two are taken to have nothing more in common.
    const FARTHEST: usize = 200;
    for distance in 1..=(wanted.len() + printed.len()).min(FARTHEST) {
        for missing in (0..=distance).rev() {
            let surplus = distance - missing;
            if let (Some(want), Some(print)) = (wanted.get(missing), printed.get(surplus))
                && matches(want, print)
            {
                return (missing, surplus);
            }
        }
    }
    (wanted.len(), printed.len())
}

/// Whether a line is as it should be.
fn matches(want: &str, line: &str) -> bool {
    let mut parts = want.split(ANY);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wildcard_matches_any_text() {
        let cases = [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("…", "", true),
            ("a…", "a", true),
            ("a…c", "abbc", true),
            ("a…c", "ac", true),
            ("a…c", "abcd", false),
            ("ab…bc", "abc", false),
            ("a…b…c", "a-b-b-c", true),
            ("a…b…c", "a--c", false),
            ("…\"}", "any … text\"}", true),
            ("a…", "ba", false),
        ];
        for (want, line, expected) in cases {
            assert_eq!(matches(want, line), expected, "{want} {line}");
        }
    }

    fn differences(wanted: &[&str], printed: &[&str]) -> Vec<String> {
        let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
        Golden { lines: owned(wanted), printed: owned(printed) }.differences()
    }

    #[test]
    fn only_what_differs_is_told() {
        assert!(differences(&["a", "…", "c"], &["a", "b", "c"]).is_empty());
        assert_eq!(differences(&["a", "b", "c"], &["a", "c"]), ["- b"]);
        assert_eq!(differences(&["a", "c"], &["a", "b", "c"]), ["+ b"]);
        assert_eq!(differences(&["a", "b", "c"], &["a", "x", "c"]), ["- b", "+ x"]);
        assert_eq!(differences(&["a"], &[]), ["- a"]);
        assert_eq!(differences(&[], &["a", "b"]), ["+ a", "+ b"]);
        let updated = |wanted: &[&str], printed: &[&str]| {
            let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
            Golden { lines: owned(wanted), printed: owned(printed) }.updated()
        };
        assert_eq!(updated(&["a…", "b", "…z"], &["a1", "c", "xyz"]), "a…\nc\n…z\n");
        assert_eq!(updated(&[], &["a"]), "a\n");
        assert_eq!(differences(&["a", "b"], &["x", "y", "z"]), ["- a", "- b", "+ x", "+ y", "+ z"]);
    }
}
