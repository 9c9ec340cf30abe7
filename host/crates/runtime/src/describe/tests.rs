use std::fmt::Write as _;

use super::one_line;
use crate::component::{componentize, embed};
use crate::tests::engine;
use crate::{CompiledJob, Engine, Error};
use pelton_model::settings::Limits;
use pelton_model::text::is_unsafe;

/// Bytes of memory below which texts stand; above are 64 MiB of NUL.
const ROOM: u32 = 64 << 10;

/// What a guest declares, as it lies in its memory. The record itself is at 0.
struct Declaration {
    memory: Vec<u8>,
}

/// Where something lies, and how long it is.
type At = (u32, u32);

impl Declaration {
    /// A job that is legal.
    fn new() -> Self {
        let mut this = Self { memory: vec![0; 48] };
        let (name, topic) = (this.text("job"), this.text("sensors"));
        this.set(0, name);
        let sources = this.items(&[&[topic.0, topic.1, 0]]);
        this.set(3, sources);
        this
    }

    fn text(&mut self, text: &str) -> At {
        let at = self.memory.len() as u32;
        self.memory.extend(text.as_bytes());
        (at, text.len() as u32)
    }

    /// A list of records, each of these words.
    fn items(&mut self, items: &[&[u32]]) -> At {
        self.memory.resize(self.memory.len().next_multiple_of(4), 0);
        let at = self.memory.len() as u32;
        items.iter().copied().flatten().for_each(|word| self.memory.extend(word.to_le_bytes()));
        (at, items.len() as u32)
    }

    /// Sets a field of the record: name, version, description, sources, sinks, parameters.
    fn set(&mut self, field: usize, (at, length): At) {
        self.memory[field * 8..field * 8 + 4].copy_from_slice(&at.to_le_bytes());
        self.memory[field * 8 + 4..field * 8 + 8].copy_from_slice(&length.to_le_bytes());
    }

    /// A component that declares it.
    fn component(&self) -> Vec<u8> {
        assert!(self.memory.len() < ROOM as usize);
        let mut data = String::new();
        self.memory.iter().for_each(|byte| write!(data, "\\{byte:02x}").unwrap());
        let module = format!(
            r#"(module
                (memory (export "memory") 1025)
                (data (i32.const 0) "{data}")
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "pelton:job/task@0.1.0#describe") (result i32) i32.const 0)
                (func (export "pelton:job/task@0.1.0#configure") (param i32 i32) (result i32) unreachable)
                (func (export "pelton:job/task@0.1.0#process") (param i32) (result i32) unreachable))"#
        );
        componentize(&embed(&wat::parse_str(module).unwrap()).unwrap()).unwrap()
    }

    fn load(&self) -> Result<CompiledJob, Error> {
        let limits = Limits { memory_mib: 128, ..Limits::default() };
        Engine::new(limits, None).unwrap().load(&self.component())
    }

    /// Why it is refused.
    #[track_caller]
    fn refusal(&self) -> String {
        let Err(Error::NotAJob(cause)) = self.load() else { panic!("it is taken") };
        let told = cause.to_string();
        assert!(told.len() < 700 && !told.contains(is_unsafe), "{told}");
        let told = told.strip_prefix("the job's declaration makes no sense: ");
        told.unwrap_or_else(|| panic!("{cause}")).to_owned()
    }
}

#[test]
fn a_declaration_that_is_legal_is_taken_as_it_is() {
    let mut declared = Declaration::new();
    let about = declared.text("überhitzte Geräte");
    declared.set(2, about);
    let job = declared.load().unwrap();
    assert_eq!((job.spec().name.as_str(), job.spec().description.as_str()), ("job", "überhitzte Geräte"));
}

#[test]
fn sixty_megabytes_of_text_are_refused_in_a_line() {
    for (field, words) in [
        (0, "job name \"\\0\\0"),
        (1, "the version is longer than 100 characters: \"\\0\\0"),
        (2, "the description is longer than 1000 characters: \"\\0\\0"),
    ] {
        let mut declared = Declaration::new();
        declared.set(field, (ROOM, 60_000_000));
        let told = declared.refusal();
        assert!(told.starts_with(words) && told.contains("(60000000 bytes)"), "{told}");
    }
}

#[test]
fn a_hundred_thousand_items_are_refused_in_a_line() {
    for (field, count, words) in [
        (3, 100_000, "more than 256 sources"),
        (4, 100_000, "more than 256 sinks"),
        (5, 100_000, "more than 256 parameters"),
    ] {
        let mut declared = Declaration::new();
        declared.set(field, (ROOM, count));
        assert_eq!(declared.refusal(), words);
    }
    // A table of as many columns: name and columns, no key, what happens on a conflict.
    let mut declared = Declaration::new();
    let (name, table) = (declared.text("s"), declared.text("t"));
    let sinks = declared.items(&[&[name.0, name.1, 1, table.0, table.1, ROOM, 100_000, 0, 0, 0]]);
    declared.set(4, sinks);
    assert_eq!(declared.refusal(), "more than 256 columns");
}

#[test]
fn what_would_move_a_cursor_and_what_is_kafkas_own_is_refused() {
    let mut declared = Declaration::new();
    let about = declared.text("harmless\x1b[2J\x1b[31m\u{202e}");
    declared.set(2, about);
    assert_eq!(
        declared.refusal(),
        "the description has a control character, U+001B: \"harmless\\u{1b}[2J\\u{1b}[31m\\u{202e}\""
    );
    for topic in ["__consumer_offsets", "__transaction_state"] {
        let told = format!("the topic \"{topic}\" is Kafka's own: no job reads or writes it");
        let mut declared = Declaration::new();
        let topic = declared.text(topic);
        let sources = declared.items(&[&[topic.0, topic.1, 0]]);
        declared.set(3, sources);
        assert_eq!(declared.refusal(), told);
        let mut declared = Declaration::new();
        let (name, topic) = (declared.text("s"), declared.text("__consumer_offsets"));
        let sinks = declared.items(&[&[name.0, name.1, 0, topic.0, topic.1, 0, 0, 0, 0, 0]]);
        declared.set(4, sinks);
        assert!(declared.refusal().contains("__consumer_offsets"));
    }
}

#[test]
fn names_of_a_component_are_quoted_in_a_line() {
    let long = "x".repeat(90_000);
    let wat = format!(r#"(component (import "{long}" (func)))"#);
    let told = engine().load(&wat::parse_str(wat).unwrap()).unwrap_err().to_string();
    assert!(told.contains("which Pelton does not offer") && told.len() < 500, "{told:.500}");
    let exports: String = (0..900).map(|n| format!(r#"(export "{}{n}" (instance $i))"#, "y".repeat(500))).collect();
    let wat = format!("(component (instance $i) {exports})");
    let told = engine().load(&wat::parse_str(wat).unwrap()).unwrap_err().to_string();
    assert!(told.contains("is not a job") && told.len() < 2000, "{told:.500}");
}

#[test]
fn lines_of_a_description_are_joined_and_nothing_else_is_changed() {
    let joined = |text: &str| one_line(text.to_owned());
    assert_eq!(joined("  Alerts,\r\n\tand  rows.\n"), "Alerts, and rows.");
    assert_eq!(joined("two  spaces\u{1b}"), "two  spaces\u{1b}");
}

#[test]
fn what_a_job_remembers_is_declared_once_and_is_no_parameter() {
    let declare = |names: &[&str]| {
        let mut declared = Declaration::new();
        let what = declared.text("how many there were");
        let items: Vec<_> = names.iter().map(|name| declared.text(name)).collect();
        let items: Vec<_> = items.iter().map(|name| [name.0, name.1, what.0, what.1, 0, 0, 0]).collect();
        let items: Vec<&[u32]> = items.iter().map(<[_; 7]>::as_slice).collect();
        let parameters = declared.items(&items);
        declared.set(5, parameters);
        declared
    };
    let job = declare(&["a", "pelton.remembers"]).load().unwrap();
    assert_eq!(job.spec().remembers.as_deref(), Some("how many there were"));
    assert_eq!(job.spec().parameters.len(), 1, "it can't be set");
    assert_eq!(declare(&["a"]).load().unwrap().spec().remembers, None);
    let twice = declare(&["pelton.remembers", "pelton.remembers"]).refusal();
    assert_eq!(twice, "the parameter \"pelton.remembers\" is declared twice");
    let unknown = declare(&["pelton.\u{1b}[2J"]).refusal();
    assert!(unknown.starts_with("the parameter \"pelton.\\u{1b}[2J\" is none that this host knows"), "{unknown}");
}
