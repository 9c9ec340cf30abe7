//! `docs/security.md` has a table of the corpus: `RENEW=1 cargo test --test hostile docs` writes it.

use std::fmt::Write as _;
use std::fs;

use pelton_testkit::files::repository;

use crate::{Fate, guests};

const BEGIN: &str = "<!-- corpus: written by `RENEW=1 cargo test --test hostile docs` -->\n";
const END: &str = "<!-- end of corpus -->";

/// The table, as Markdown.
fn table() -> String {
    let mut table = String::from("| test | what it does | what becomes of it |\n|---|---|---|\n");
    for guest in guests::ALL {
        let (becomes, words) = match guest.fate {
            Fate::Refused(words) => ("refused", words),
            Fate::Fails(words) => ("held, its records wait", words),
            Fate::Letters(words) => ("dead letters, the rest goes on", words),
            Fate::Logs(words) => ("does its work, and its log says", words),
            Fate::Runs => ("does its work", ""),
        };
        let words = words.replace('|', "\\|");
        let told = if words.is_empty() { String::new() } else { format!(": ``{words}``") };
        writeln!(table, "| `{}` | {} | {becomes}{told} |", guest.test, guest.attack().replace('|', "\\|")).unwrap();
    }
    table
}

#[test]
fn the_page_has_the_corpus() {
    let path = repository().join("docs/security.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect("the page has no place for the corpus");
    let (found, tail) = rest.split_once(END).expect("the page's corpus does not end");
    let table = table();
    if std::env::var_os("RENEW").is_some() {
        fs::write(path, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
    } else {
        assert!(found == table, "docs/security.md has another corpus; run RENEW=1 cargo test --test hostile docs");
    }
}

#[test]
fn every_guest_says_what_it_attacks() {
    for guest in guests::ALL {
        assert!(guest.attack().len() >= 10, "{} has no comment that says what it attacks", guest.test);
    }
}
