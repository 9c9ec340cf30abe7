use super::*;
use crate::spec::{ColumnSpec, ColumnType, Parameter, Sink, Source};

fn column(name: &str) -> ColumnSpec {
    ColumnSpec { name: name.to_owned(), column_type: ColumnType::Text, nullable: false }
}

fn of_table(name: &str, columns: &[&str], key: &[&str]) -> Target {
    Target::Table(Table {
        name: name.to_owned(),
        columns: columns.iter().map(|name| column(name)).collect(),
        key: key.iter().map(|&key| key.to_owned()).collect(),
        on_conflict: Conflict::Fail,
    })
}

fn parameter(name: &str, default: &str) -> Parameter {
    Parameter { name: name.to_owned(), description: "°C".to_owned(), default: Some(default.to_owned()) }
}

/// Puts a text into a declaration.
type Change = fn(&mut Spec, String);

/// A job of every kind of sink, with names at the edge of what is legal.
fn good() -> Spec {
    let sink = |name: &str, target| Sink { name: name.to_owned(), target };
    let sql = "INSERT INTO t\n\tVALUES (?, '\u{2192}')";
    let statement = Statement { sql: sql.to_owned(), placeholders: vec![ColumnType::Text] };
    Spec {
        remembers: Some("a".to_owned()),
        name: "a-job_1".to_owned(),
        version: "1.0.0-β+git.4f2a".to_owned(),
        description: "Überhitzte Geräte, مرحبا 👩\u{200d}🚀".to_owned(),
        sources: vec![Source { topic: "x".repeat(249), headers: true }],
        sinks: vec![
            sink(&"x".repeat(249), Target::Topic("__my.topic-1".to_owned())),
            sink("table", of_table("\"Ge räte\".\"a.b\"", &["id", "Grad °C"], &["id"])),
            sink("long", of_table(&"t".repeat(63), &[&"ü".repeat(31)], &[])),
            sink("statement", Target::Statement(statement)),
        ],
        parameters: vec![parameter("threshold", "30"), parameter("template", "{\r\n\t\"a\": 1\n}")],
    }
}

/// What is said of the good job after a change.
#[track_caller]
fn said(change: impl FnOnce(&mut Spec)) -> String {
    let mut spec = good();
    change(&mut spec);
    let said = spec.check().unwrap_err().to_string();
    assert!(said.len() < 1000 && !said.contains(is_unsafe), "{said}");
    said
}

#[test]
fn what_jobs_declare_is_taken() {
    good().check().unwrap();
    let mut bare = good();
    (bare.version, bare.description) = (String::new(), String::new());
    (bare.sinks, bare.parameters) = (Vec::new(), Vec::new());
    bare.check().unwrap();
    let mut wide = good();
    let names: Vec<String> = (0..ITEMS).map(|n| format!("column_{n}")).collect();
    wide.sinks.push(Sink {
        name: "wide".to_owned(),
        target: of_table("wide", &names.iter().map(String::as_str).collect::<Vec<_>>(), &[]),
    });
    wide.check().unwrap();
}

#[test]
fn every_text_is_bounded_and_quoted_in_a_line() {
    let huge = || "x".repeat(60_000_000);
    let cases: [(&str, Change); 11] = [
        ("job name \"xxx", |spec, text| spec.name = text),
        ("the version is longer than 100 characters: \"xxx", |spec, text| spec.version = text),
        ("the description is longer than 1000 characters: \"xxx", |spec, text| spec.description = text),
        ("\"xxx", |spec, text| spec.sources[0].topic = text),
        ("the name of a sink is longer than 249 characters: \"xxx", |spec, text| spec.sinks[0].name = text),
        ("\"xxx", |spec, text| spec.sinks[0].target = Target::Topic(text)),
        ("sink \"table\": the name of its table is longer than Postgres's 63 bytes: \"xxx", |spec, text| {
            spec.sinks[1].target = of_table(&text, &["a"], &[]);
        }),
        ("sink \"table\": the name of a column is longer than Postgres's 63 bytes: \"xxx", |spec, text| {
            spec.sinks[1].target = of_table("t", &[&text], &[]);
        }),
        ("sink \"statement\": the statement is longer than 65536 bytes: \"xxx", |spec, text| {
            spec.sinks[3].target = Target::Statement(Statement { sql: text, placeholders: Vec::new() });
        }),
        ("the description of the parameter \"threshold\" is longer than 1000 characters: \"xxx", |spec, text| {
            spec.parameters[0].description = text;
        }),
        ("the default of the parameter \"threshold\" is longer than 65536 bytes: \"xxx", |spec, text| {
            spec.parameters[0].default = Some(text);
        }),
    ];
    for (words, change) in cases {
        let said = said(|spec| change(spec, huge()));
        assert!(said.starts_with(words) && said.contains("x\"… (60000000 bytes)"), "{said}");
    }
    let bounds: [(usize, Change); 3] = [
        (VERSION, |spec, text| spec.version = text),
        (DESCRIPTION, |spec, text| spec.description = text),
        (PARAMETER, |spec, text| spec.parameters[0].name = text),
    ];
    for (longest, change) in bounds {
        let mut spec = good();
        change(&mut spec, "ü".repeat(longest));
        spec.check().unwrap();
        said(|spec| change(spec, "ü".repeat(longest + 1)));
    }
}

#[test]
fn no_text_moves_a_cursor_or_turns_a_line() {
    for hostile in
        ["\x1b[2J", "\r", "\n", "\t", "\0", "\u{7f}", "\u{9b}", "\u{2028}", "\u{2029}", "\u{202e}", "\u{2066}"]
    {
        let text = format!("a{hostile}b");
        said(|spec| spec.version.clone_from(&text));
        said(|spec| spec.description = format!("{}{text}", "x".repeat(900)));
        said(|spec| spec.sources[0].topic.clone_from(&text));
        said(|spec| spec.sinks[0].name.clone_from(&text));
        said(|spec| spec.sinks[1].target = of_table(&format!("\"{text}\""), &["a"], &[]));
        said(|spec| spec.sinks[1].target = of_table("t", &[&text], &[]));
        said(|spec| spec.parameters[0].name.clone_from(&text));
        said(|spec| spec.parameters[0].description.clone_from(&text));
        let mut spec = good();
        spec.parameters[0].default = Some(text.clone());
        spec.sinks[3].target = Target::Statement(Statement { sql: text, placeholders: Vec::new() });
        assert_eq!(spec.check().is_ok(), matches!(hostile, "\r" | "\n" | "\t"), "{hostile:?}");
    }
    for mark in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{2069}'] {
        assert_eq!(
            said(|spec| spec.description = format!("sums{mark}up")),
            format!(
                "the description has a character that turns or breaks lines, U+{:04X}: \"sums\\u{{{:x}}}up\"",
                u32::from(mark),
                u32::from(mark)
            )
        );
    }
    assert_eq!(
        said(|spec| spec.version = "1\x1b[2J".to_owned()),
        "the version has a control character, U+001B: \"1\\u{1b}[2J\""
    );
}

#[test]
fn every_list_is_bounded() {
    let many = 2_000_000;
    let source = Source { topic: String::new(), headers: false };
    assert_eq!(said(|spec| spec.sources = vec![source; many]), "more than 256 sources");
    assert_eq!(said(|spec| spec.parameters = vec![parameter("", ""); ITEMS + 1]), "more than 256 parameters");
    let sink = |target| Sink { name: String::new(), target };
    let empty = sink(Target::Topic(String::new()));
    assert_eq!(said(|spec| spec.sinks = vec![empty; many]), "more than 256 sinks");
    let columns = vec![""; many];
    assert_eq!(said(|spec| spec.sinks[1].target = of_table("t", &columns, &[])), "more than 256 columns");
    assert_eq!(said(|spec| spec.sinks[1].target = of_table("t", &["a"], &columns)), "more than 256 key columns");
    let statement = Statement { sql: "x".to_owned(), placeholders: vec![ColumnType::Text; many] };
    let told = said(|spec| spec.sinks[3].target = Target::Statement(statement));
    assert_eq!(told, "sink \"statement\": a statement with NUL or more than 256 placeholders");
    // Each within its bounds, and still too much together.
    let parameters = |spec: &mut Spec| {
        spec.parameters = (0..5).map(|n| parameter(&n.to_string(), &"x".repeat(DECLARED_BYTES))).collect();
    };
    assert_eq!(said(parameters), "the declaration is larger than 262144 bytes, all together");
}

#[test]
fn topics_and_groups_are_kafkas() {
    for good in ["a", "sensors", "a.b_c-D9", "__my_own", "x", &"x".repeat(249)] {
        topic(good).unwrap();
    }
    for bad in ["", ".", "..", "a b", "a/b", "ä", "a\n", "a\0", &"x".repeat(250)] {
        assert!(topic(bad).unwrap_err().to_string().ends_with(" is not a legal topic name"), "{bad}");
    }
    for own in INTERNAL {
        assert_eq!(
            topic(own).unwrap_err().to_string(),
            format!("the topic \"{own}\" is Kafka's own: no job reads or writes it")
        );
        said(|spec| spec.sources[0].topic = own.to_owned());
        said(|spec| spec.sinks[0].target = Target::Topic(own.to_owned()));
    }
    for good in ["iot-sensors", "my group: été", &"x".repeat(249)] {
        group(good).unwrap();
    }
    for bad in ["", "a\0b", "a\nb", "a\u{202e}b", &"x".repeat(250), &"ü".repeat(125)] {
        group(bad).unwrap_err();
    }
}

#[test]
fn names_of_tables_are_postgres() {
    for bad in ["", ".", "a.", ".a", "a.b.c", "\"a", "\"a\"b", "a..b", "\"\""] {
        assert_eq!(relation(bad), None, "{bad}");
        let told = said(|spec| spec.sinks[1].target = of_table(bad, &["a"], &[]));
        assert!(told.ends_with("is neither `table` nor `schema.table`"), "{told}");
    }
    assert_eq!(relation("\"a.b\".\"say \"\"hi\"\"\"").unwrap(), ["a.b", "say \"hi\""]);
    assert_eq!(relation("iot.Readings").unwrap(), ["iot", "Readings"]);
    assert_eq!(
        said(|spec| spec.sinks[1].target = of_table("t", &["a", "b"], &["a", "c"])),
        "sink \"table\": key column \"c\" is not among its columns"
    );
    assert_eq!(
        said(|spec| spec.sinks[1].target = of_table("t", &["a", "a"], &[])),
        "the column \"a\" is declared twice"
    );
}

#[test]
fn what_requests_bring_is_bounded_as_well() {
    let set = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    parameters(&set("threshold", "30\n\t40")).unwrap();
    parameters(&set("a", &"x".repeat(VALUE_BYTES))).unwrap();
    for (name, value) in [
        ("a", "\x1b[2J"),
        ("a", "\0"),
        ("a", "\u{202e}"),
        ("a\n", "1"),
        (&*"x".repeat(101), "1"),
        ("a", &*"x".repeat(VALUE_BYTES + 1)),
    ] {
        let told = parameters(&set(name, value)).unwrap_err().to_string();
        assert!(told.len() < 600 && !told.contains(is_unsafe), "{told}");
    }
    let many: BTreeMap<_, _> = (0..ITEMS + 1).map(|n| (n.to_string(), String::new())).collect();
    parameters(&many).unwrap_err();
    let large: BTreeMap<_, _> = (0..5).map(|n| (n.to_string(), "x".repeat(VALUE_BYTES))).collect();
    parameters(&large).unwrap_err();
    by("ana@laptop").unwrap();
    why("a better one\n\nfixes #7").unwrap();
    for bad in ["a\nb", "\x1b", &"x".repeat(BY + 1)] {
        by(bad).unwrap_err();
    }
    for bad in ["a\x1bb", "\u{202e}", &"x".repeat(WHY + 1)] {
        why(bad).unwrap_err();
    }
}
