//! A job with a sink of each kind, run natively: what its author emits is what the host is given.

use pelton_job::{
    Column, Conflict, Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, Type, Value,
    bindings::pelton::job::types as wit,
    testing::{Input, Message, run},
};
use proptest::prelude::*;

const TOPIC: Sink = Sink::topic("out");
const TABLE: Sink = Sink::table(
    "schema.pairs",
    &[Column::new("key", Type::Bytea).nullable(), Column::new("length", Type::Int4)],
    Conflict::Update(&["key"]),
)
.named("pairs");
const STATEMENT: Sink = Sink::statement("delete", "DELETE FROM pairs WHERE length = ?", &[Type::Int4]);

/// Does to each record what its value says.
struct Puppet {
    suffix: String,
}

impl Job for Puppet {
    fn spec() -> Spec {
        Spec::new("puppet", "1.2.3", "does as it is told")
            .source("in")
            .source_with_headers("more")
            .sink(TOPIC)
            .sink(TABLE)
            .sink(STATEMENT)
            .parameter("suffix", "comes after a key", "!")
            .required_parameter("count", "a number")
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        if parameters.get::<u8>("count")? == 0 {
            return Err("`count` is zero".into());
        }
        Ok(Self { suffix: parameters.get("suffix")? })
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let length = record.value().map(|value| value.len() as i32);
        match record.text()? {
            "forward" => out.forward(&TOPIC),
            "send" => {
                let key = record.key().map(|key| [key, self.suffix.as_bytes()].concat());
                let headers: Vec<_> = record.headers().collect();
                out.send(&TOPIC, key.as_deref(), None, &headers);
            }
            "row" => out.row(&TABLE, &[record.key().into(), length.into()]),
            "delete" => out.row(&STATEMENT, &[7.into()]),
            "too few" => out.row(&TABLE, &[Value::Null]),
            "wrong type" => out.row(&TABLE, &["key".into(), 1.into()]),
            "wrong placeholder" => out.row(&STATEMENT, &[7i64.into()]),
            "row to topic" => out.row(&TOPIC, &[]),
            "message to table" => out.forward(&TABLE),
            "undeclared" => out.forward(&Sink::topic("elsewhere")),
            "key" => return Err(format!("{:?}", record.key_text()?).into()),
            other => return Err(format!("cannot {other}").into()),
        }
        Ok(())
    }
}

const COUNT: (&str, &str) = ("count", "1");

fn keyed(value: &str, key: &str) -> Input {
    Input { key: Some(key.into()), ..Input::from(value) }
}

#[test]
fn every_output_names_its_record() {
    let mut with_headers = keyed("send", "k");
    with_headers.headers = vec![("a".into(), Some(b"1".to_vec())), ("a".into(), None)];
    let inputs = [
        Input::from("forward"),
        keyed("row", "k"),
        Input::from("send"),
        with_headers,
        Input::from("forward"),
        Input::from("row"),
        Input::from("fly"),
        Input::from("delete"),
    ];
    let run = run::<Puppet>(&[COUNT], inputs).unwrap();
    assert_eq!(run.forwards(&TOPIC), [0, 4]);
    let plain = Message { origin: 2, key: None, value: None, headers: Vec::new() };
    let headers = vec![("a", Some(&b"1"[..])), ("a", None)];
    let full = Message { origin: 3, key: Some(b"k!"), value: None, headers };
    assert_eq!(run.messages(&TOPIC), [plain, full]);
    let rows = [(1, vec![Value::Bytes(b"k"), Value::Int4(3)]), (5, vec![Value::Null, Value::Int4(3)])];
    assert_eq!(run.rows(&TABLE), rows);
    assert_eq!(run.rows(&STATEMENT), [(7, vec![Value::Int4(7)])]);
    assert_eq!(run.rejects(), [(6, "cannot fly")]);
}

#[test]
fn a_key_is_text_or_a_reject() {
    let of = |key: &[u8]| Input { key: Some(key.to_vec()), ..Input::from("key") };
    let run =
        run::<Puppet>(&[COUNT], [Input::from("key"), of(b""), of(b"\xc3\xa9"), of(b"a\xff"), of(b"\xe2\x82")]).unwrap();
    let reasons: Vec<&str> = run.rejects().into_iter().map(|(_, reason)| reason).collect();
    let odd = ["key is not UTF-8: invalid at byte 1", "key is not UTF-8: invalid at byte 0"];
    assert_eq!(reasons, ["None", "Some(\"\")", "Some(\"\u{e9}\")", odd[0], odd[1]]);
}

#[test]
fn mistakes_of_the_job_fail_the_batch_and_say_what_to_mend() {
    let mistake = |value| run::<Puppet>(&[COUNT], ["forward", value]).err().unwrap();
    assert_eq!(mistake("too few"), "sink `pairs`: a row has 2 values, not 1 (at offset 1)");
    assert_eq!(mistake("wrong type"), "sink `pairs`: column `key` is bytea and takes bytes, not text (at offset 1)");
    let placeholder = "sink `delete`: placeholder 1 is int4 and takes an i32, not an i64 (at offset 1)";
    assert_eq!(mistake("wrong placeholder"), placeholder);
    assert_eq!(mistake("row to topic"), "sink `out`: a topic takes no rows (at offset 1)");
    let message = "sink `pairs`: a table or statement takes rows, not messages (at offset 1)";
    assert_eq!(mistake("message to table"), message);
    assert_eq!(mistake("undeclared"), "sink `elsewhere`: not among the sinks of the job's spec (at offset 1)");
}

#[test]
fn parameters_are_read_by_type() {
    let configure = |parameters: &[(&str, &str)]| run::<Puppet>(parameters, ["forward"]).map(drop).unwrap_err();
    assert_eq!(configure(&[]), "parameter `count` is not set");
    assert_eq!(configure(&[("count", "0")]), "`count` is zero");
    let number = "parameter `count`: cannot read `300` as u8: number too large to fit in target type";
    assert_eq!(configure(&[("count", "300")]), number);
    assert_eq!(configure(&[COUNT, ("colour", "red")]), "the job has no parameter `colour`");
}

#[test]
fn the_spec_is_the_contracts() {
    let spec = wit::Spec::from(Puppet::spec());
    assert_eq!((spec.name.as_str(), spec.version.as_str()), ("puppet", "1.2.3"));
    let sources = [("in", false), ("more", true)].map(|(topic, headers)| wit::Source { topic: topic.into(), headers });
    assert_eq!(spec.sources, sources);
    let column = |name: &str, type_, nullable| wit::ColumnSpec { name: name.into(), type_, nullable };
    let table = wit::Table {
        name: "schema.pairs".into(),
        columns: vec![column("key", Type::Bytea, true), column("length", Type::Int4, false)],
        key: vec!["key".into()],
        on_conflict: wit::Conflict::Update,
    };
    let statement = wit::Statement { sql: "DELETE FROM pairs WHERE length = ?".into(), placeholders: vec![Type::Int4] };
    let sinks = [
        ("out", wit::Target::Topic("out".into())),
        ("pairs", wit::Target::Table(table)),
        ("delete", wit::Target::Statement(statement)),
    ]
    .map(|(name, target)| wit::Sink { name: name.into(), target });
    assert_eq!(spec.sinks, sinks);
    let defaults: Vec<_> = spec.parameters.iter().map(|parameter| parameter.default.as_deref()).collect();
    assert_eq!(defaults, [Some("!"), None]);
}

const ECHO: Sink = Sink::topic("echo");

/// Sends every record as it came, whether it can or not.
struct Echo;

impl Job for Echo {
    fn spec() -> Spec {
        Spec::new("echo", "1.0.0", "sends what it gets").source_with_headers("in").sink(ECHO)
    }

    fn configure(_: &Parameters) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let headers: Vec<_> = record.headers().collect();
        out.send(&ECHO, record.key(), record.value(), &headers);
        match record.timestamp() {
            Some(timestamp) => Err(timestamp.into()),
            None => Ok(()),
        }
    }
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20))
}

prop_compose! {
    fn input()(
        key in bytes(),
        value in bytes(),
        headers in proptest::collection::vec(("[a-zé]{0,3}", bytes()), 0..3),
        timestamp in proptest::option::of(0i64..),
    ) -> Input {
        Input { key, value, headers, timestamp }
    }
}

proptest! {
    #[test]
    fn whatever_is_packed_is_unpacked(inputs in proptest::collection::vec(input(), 0..40)) {
        let run = run::<Echo>(&[], inputs.clone()).unwrap();
        let messages = run.messages(&ECHO);
        prop_assert_eq!(messages.len(), inputs.len());
        for (index, (message, input)) in messages.iter().zip(&inputs).enumerate() {
            let headers: Vec<_> =
                input.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            let key = input.key.as_deref();
            let expected = Message { origin: index, key, value: input.value.as_deref(), headers };
            prop_assert_eq!(message, &expected);
        }
        let with_timestamp = inputs.iter().enumerate().filter_map(|(index, input)| Some((index, input.timestamp?)));
        let expected: Vec<_> = with_timestamp.map(|(index, timestamp)| (index, timestamp.to_string())).collect();
        let rejects: Vec<_> =
            run.rejects().into_iter().map(|(index, reason)| (index, reason.to_owned())).collect();
        prop_assert_eq!(rejects, expected);
    }
}

#[test]
fn what_a_job_remembers_is_declared_once_and_never_set() {
    struct Counter;

    impl Job for Counter {
        fn spec() -> Spec {
            Spec::new("counter", "1", "counts")
                .source("in")
                .remembers("something else")
                .parameter("from", "the first number", "0")
                .remembers("the number of records")
        }

        fn configure(parameters: &Parameters) -> Result<Self, Error> {
            parameters.get::<u64>("from")?;
            assert!(parameters.get::<String>("pelton.remembers").is_err());
            Ok(Self)
        }

        fn process(&mut self, _: &Record<'_>, _: &mut Outputs) -> Result<(), Reject> {
            Ok(())
        }
    }

    let parameters = wit::Spec::from(Counter::spec()).parameters;
    let declared: Vec<_> = parameters.iter().filter(|parameter| parameter.name == "pelton.remembers").collect();
    assert_eq!((parameters.len(), declared.len()), (2, 1));
    assert_eq!(declared[0].description, "the number of records");
    assert_eq!(declared[0].default.as_deref(), Some("true"));
    assert!(run::<Counter>(&[], [""]).is_ok());
    let refused = run::<Counter>(&[("pelton.remembers", "true")], [""]).err().unwrap();
    assert_eq!(refused, "the job has no parameter `pelton.remembers`");
}
