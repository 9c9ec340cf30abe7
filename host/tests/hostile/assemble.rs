//! From a guest's text to the bytes that are submitted.
//!
//! A text is WAT. One that begins with `(module` or `(component` is taken as it stands; to any other is added what it
//! leaves out of `prelude.wat`, and the types of the contract, which makes a job of it. `{{N:text}}` stands for N times
//! the text, with `#` for the number of each, from 0, and `@` for the next number. Comments that begin with `@` say what is
//! done to the bytes then: `@cut` takes the second half away, `@nest N` puts them into so many components, one in the
//! other, and `@custom N` adds a section without meaning of so many bytes.

use pelton_runtime::component::{embed, embed_world};
use pelton_runtime::is_core_module;

use crate::{Guest, spec};

const PRELUDE: &str = include_str!("prelude.wat");

/// The bytes of a guest.
pub(crate) fn assemble(guest: &Guest) -> Vec<u8> {
    let text = repeat(guest.text);
    let code = text.lines().find(|line| !line.is_empty() && !line.starts_with(";;")).unwrap_or_default();
    let bytes = if code.starts_with("(module") || code.starts_with("(component") {
        wat::parse_str(&text).unwrap()
    } else {
        let module = wat::parse_str(complete(&guest.job(), &text)).unwrap();
        if text.contains("\"wasi:") { embed_world(&module, "hostile.wit", &world(), "job") } else { embed(&module) }
            .unwrap()
    };
    let orders = guest.text.lines().filter_map(|line| line.strip_prefix(";; @"));
    orders.fold(bytes, |bytes, order| {
        let (what, number) = order.split_once(' ').unwrap_or((order, "0"));
        let number: usize = number.parse().unwrap();
        match what {
            "cut" => bytes[..bytes.len() / 2].to_vec(),
            "nest" => (0..number).fold(bytes, |inner, _| {
                // Section 1 of a component is a module, section 4 a component.
                let id = if is_core_module(&inner) { 1 } else { 4 };
                [b"\0asm\x0d\0\x01\0", &*section(id, &inner)].concat()
            }),
            "custom" => [bytes, section(0, &vec![0; number])].concat(),
            _ => panic!("there is no @{what}"),
        }
    })
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    let mut length = content.len();
    loop {
        let more = length > 0x7f;
        section.push((length & 0x7f) as u8 | u8::from(more) << 7);
        length >>= 7;
        if !more {
            break;
        }
    }
    section.extend_from_slice(content);
    section
}

/// The text with what is repeated written out, the innermost first.
fn repeat(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(end) = text.find("}}") {
        let start = text[..end].rfind("{{").unwrap();
        let (count, body) = text[start + 2..end].split_once(':').unwrap();
        let each = |i: usize| match body.contains(['#', '@']) {
            true => body.replace('#', &i.to_string()).replace('@', &(i + 1).to_string()),
            false => body.to_owned(),
        };
        let all: String = (0..count.parse().unwrap()).map(each).collect();
        text.replace_range(start..end + 2, &all);
    }
    text
}

/// A module of what the guest says, and of what it leaves out.
fn complete(job: &str, text: &str) -> String {
    let (imports, code): (Vec<&str>, Vec<&str>) = forms(text).partition(|form| form.starts_with("(import "));
    let (first, last) = PRELUDE.split_once(";; HERE").unwrap();
    let is_missing = |paragraph: &&str| {
        let begins = |form: &&str| form.split([' ', '\n']).take(2).collect::<Vec<_>>() == head(paragraph);
        !head(paragraph)[0].contains("func") && !head(paragraph)[0].contains("memory") || !code.iter().any(begins)
    };
    let defaults: Vec<&str> = last.split("\n\n").filter(is_missing).collect();
    format!(
        "(module\n{first}\n{}\n{}\n{}\n{})",
        imports.join("\n"),
        spec::lie(job),
        code.join("\n"),
        defaults.join("\n")
    )
}

/// The first two words of a paragraph's first line that is no comment.
fn head(paragraph: &str) -> Vec<&str> {
    let line = paragraph.lines().find(|line| line.starts_with('(')).unwrap_or("( ");
    line.split(' ').take(2).collect()
}

/// The text form by form: each begins at the start of a line, as all but what belongs to one does.
fn forms(text: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> = text.match_indices("\n(").map(|(at, _)| at + 1).collect();
    starts.push(text.len());
    let forms: Vec<&str> = starts.windows(2).map(|ends| text[ends[0]..ends[1]].trim_end()).collect();
    forms.into_iter()
}

/// A world with the contract's and with what is imported of WASI.
fn world() -> String {
    let contract = include_str!("../../../wit/job.wit");
    let declaration = "package pelton:job@0.1.0;";
    let (before, interfaces) = contract.split_once(declaration).unwrap();
    assert!(before.lines().all(|line| line.starts_with("///") || line.is_empty()));
    format!("{}\npackage pelton:job@0.1.0 {{\n{interfaces}\n}}\n", include_str!("hostile.wit"))
}
