//! Exercises every part of the contract: each record's value is a command. The same job is written with every SDK, and
//! all answer `../golden/conformance.jsonl` alike.

use pelton_job::log::{self, Level};
use pelton_job::{Column, Conflict, Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, Type, Value, metrics};

const OUT: Sink = Sink::topic("conformance_out").named("out");
const ROWS: Sink = Sink::table(
    "conformance_rows",
    &[
        Column::new("boolean", Type::Boolean).nullable(),
        Column::new("int2", Type::Int2).nullable(),
        Column::new("int4", Type::Int4).nullable(),
        Column::new("int8", Type::Int8).nullable(),
        Column::new("float4", Type::Float4).nullable(),
        Column::new("float8", Type::Float8).nullable(),
        Column::new("numeric", Type::Numeric).nullable(),
        Column::new("text", Type::Text).nullable(),
        Column::new("varchar", Type::Varchar).nullable(),
        Column::new("bytea", Type::Bytea).nullable(),
        Column::new("timestamptz", Type::Timestamptz).nullable(),
        Column::new("timestamp", Type::Timestamp).nullable(),
        Column::new("date", Type::Date).nullable(),
        Column::new("uuid", Type::Uuid).nullable(),
        Column::new("json", Type::Json).nullable(),
        Column::new("jsonb", Type::Jsonb).nullable(),
    ],
    Conflict::Fail(&[]),
)
.named("rows");
const NOTE: Sink = Sink::statement("note", "INSERT INTO notes (id, note) VALUES (?, ?)", &[Type::Int8, Type::Text]);

const ROW: [Value<'static>; 16] = [
    Value::Boolean(true),
    Value::Int2(i16::MIN),
    Value::Int4(i32::MIN),
    Value::Int8(i64::MIN),
    Value::Float4(1.5),
    Value::Float8(0.1),
    Value::Text("-12.50"),
    Value::Text("é😀"),
    Value::Text(""),
    Value::Bytes(&[0x00, 0xff]),
    Value::Int8(1_714_644_672_123_456),
    Value::Int8(-1),
    Value::Int4(-719_162),
    Value::Bytes(&[0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]),
    Value::Text(r#"{"a": 1}"#),
    Value::Text("[]"),
];

/// The job.
pub struct Conformance {
    prefix: String,
    limit: u64,
    records: u64,
}

impl Job for Conformance {
    fn spec() -> Spec {
        Spec::new("conformance", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .source_with_headers("conformance")
            .sink(OUT)
            .sink(ROWS)
            .sink(NOTE)
            .parameter("prefix", "text before each echo", "")
            .parameter("limit", "records after which the job stops echoing", "1000000")
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Self { prefix: parameters.get("prefix")?, limit: parameters.get("limit")?, records: 0 })
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        self.records += 1;
        if record.value().is_none() {
            out.send(&OUT, record.key(), Some(b"null"), &[]);
            return Ok(());
        }
        match record.text()? {
            "forward" => out.forward(&OUT),
            "echo" if self.records <= self.limit => self.echo(record, out),
            "tombstone" => out.send(&OUT, record.key(), None, &[]),
            "row" => out.row(&ROWS, &ROW),
            "nulls" => out.row(&ROWS, &[Value::Null; ROW.len()]),
            "statement" => {
                let note = record.key_text()?;
                out.row(&NOTE, &[record.offset().into(), note.into()]);
            }
            "many" => many(out),
            "reject" => return Err("asked to".into()),
            "log" => log_all(),
            "metrics" => {
                metrics::count("conformance_count", 2);
                metrics::gauge("conformance_gauge", 0.5);
            }
            "raise" => raise(),
            _ => {}
        }
        Ok(())
    }
}

impl Conformance {
    /// Says where the record stood, and passes its headers on.
    fn echo(&self, record: &Record<'_>, out: &mut Outputs) {
        let timestamp = record.timestamp().map_or_else(|| "-".to_owned(), |timestamp| timestamp.to_string());
        let (partition, offset) = (record.partition(), record.offset());
        let text = format!("{}{partition}/{offset}@{timestamp}", self.prefix);
        let source = record.source().to_string();
        let mut headers: Vec<_> = record.headers().collect();
        headers.push(("source", Some(source.as_bytes())));
        out.send(&OUT, record.key(), Some(text.as_bytes()), &headers);
    }
}

/// More outputs of one record than a byte has bits: a batch that is halved can't hide a mistake in them.
fn many(out: &mut Outputs) {
    for n in 0..20_i64 {
        let text = n.to_string();
        let some = |wanted: bool| wanted.then_some(text.as_bytes());
        let headers = [("n", some(n % 2 == 0))];
        let headers = if n < 10 { &[][..] } else { &headers };
        out.send(&OUT, some(n % 3 != 0), some(!(9..18).contains(&n)), headers);
        out.row(&NOTE, &[n.into(), (n % 4 != 1).then_some(text.as_str()).into()]);
        out.row(&ROWS, if n == 9 || n == 16 { &[Value::Null; ROW.len()] } else { &ROW });
    }
    out.forward(&OUT);
    out.forward(&OUT);
    for _ in 0..9 {
        out.send(&OUT, None, None, &[]);
    }
}

fn log_all() {
    let lines = [
        (Level::Trace, "a trace line"),
        (Level::Debug, "a debug line"),
        (Level::Info, "an info line"),
        (Level::Warn, "a warn line"),
        (Level::Error, "an error line"),
    ];
    for (level, line) in lines {
        log::log(level, line);
    }
}

#[expect(clippy::panic, reason = "this is what is exercised")]
fn raise() {
    panic!("raised on purpose");
}

pelton_job::export!(Conformance);

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_job::testing::{Input, run};

    #[test]
    fn commands_have_their_outcomes() {
        let keyed = Input {
            key: Some(b"k".to_vec()),
            headers: vec![("n".to_owned(), None)],
            timestamp: Some(7),
            ..Input::from("echo")
        };
        let inputs = [keyed, Input::default(), Input::from("reject"), Input::from("row")];
        let run = run::<Conformance>(&[("prefix", "> ")], inputs).unwrap();
        let messages = run.messages(&OUT);
        assert_eq!(messages[0].key, Some(&b"k"[..]));
        assert_eq!(messages[0].value, Some(&b"> 0/0@7"[..]));
        assert_eq!(messages[0].headers, [("n", None), ("source", Some(&b"0"[..]))]);
        assert_eq!(messages[1].value, Some(&b"null"[..]));
        assert_eq!(run.rejects(), [(2, "asked to")]);
        assert_eq!(run.rows(&ROWS), [(3, ROW.to_vec())]);
    }

    #[test]
    fn beyond_the_limit_nothing_is_echoed() {
        let run = run::<Conformance>(&[("limit", "1")], ["echo", "echo"]).unwrap();
        assert_eq!(run.messages(&OUT).len(), 1);
        assert!(pelton_job::testing::run::<Conformance>(&[("limit", "many")], [""; 0]).is_err());
    }
}
