//! The job of the simulation: each record says itself what is to become of it.
//!
//! A record's value is `NUMBER:KINDS`, and each kind is one letter:
//!
//! | kind | what becomes of it |
//! |---|---|
//! | `f` | it is forwarded |
//! | `m` | a message `NUMBER@VERSION` is made of it |
//! | `q` | a message `NUMBER!` is made of it, which the broker refuses |
//! | `r` | a row is made of it |
//! | `b` | a row is made of it that the table refuses |
//! | `x` | it is rejected |
//! | `u` | the contract has no form for it |
//! | `t` | it breaks the job |
//! | `T` | it breaks version 2 of the job |

use std::sync::Arc;
use std::time::Duration;

use pelton_delivery::clock::Clock;
use pelton_delivery::wake::Wake;
use pelton_model::record::{Batch, Column, ColumnData, Messages, Outcome, Output, Packed, Reject, Rows};
use pelton_model::spec::{ColumnSpec, ColumnType, Conflict, Sink, Source, Spec, Table, Target};
use pelton_runtime::{Failure, Host, Process, Program};

/// What the job reads.
pub const INPUT: &str = "input";
/// Where it forwards to.
pub const FORWARDED: &str = "forwarded";
/// Where its messages go.
pub const MADE: &str = "made";
/// Where its rows go.
pub const ROWS: &str = "rows";
/// What a message ends with that the broker refuses.
pub const REFUSED_MESSAGE: char = '!';
/// The text of a row that the table refuses.
pub const REFUSED_ROW: &str = "refused";

/// How long an instance takes for a record, and in whose time.
type Pace = Option<(Arc<dyn Clock>, Duration)>;

/// The job, in one of its versions.
#[derive(Debug)]
pub struct Scripted {
    version: u32,
    pace: Pace,
    spec: Arc<Spec>,
}

impl Scripted {
    /// Version `version` of the job.
    pub fn new(version: u32) -> Self {
        let column = |name: &str, column_type| ColumnSpec { name: name.to_owned(), column_type, nullable: false };
        let table = Table {
            name: ROWS.to_owned(),
            columns: vec![column("number", ColumnType::Int8), column("text", ColumnType::Text)],
            key: vec!["number".to_owned()],
            // A sink that is another one, which a reload must change over to.
            on_conflict: if version == 3 { Conflict::Update } else { Conflict::Ignore },
        };
        let sink = |name: &str, target| Sink { name: name.to_owned(), target };
        let spec = Spec {
            name: "scripted".to_owned(),
            version: version.to_string(),
            sources: vec![Source { topic: INPUT.to_owned(), headers: false }],
            sinks: vec![
                sink(FORWARDED, Target::Topic(FORWARDED.to_owned())),
                sink(MADE, Target::Topic(MADE.to_owned())),
                sink(ROWS, Target::Table(table)),
            ],
            ..Spec::default()
        };
        Self { version, pace: None, spec: Arc::new(spec) }
    }

    /// The same, taking so long for each record.
    pub fn taking(self, clock: Arc<dyn Clock>, time: Duration) -> Self {
        Self { pace: Some((clock, time)), ..self }
    }
}

/// Number and kinds of a record.
pub fn parse(value: &[u8]) -> Option<(i64, &str)> {
    let (number, kinds) = std::str::from_utf8(value).ok()?.split_once(':')?;
    Some((number.parse().ok()?, kinds))
}

impl Program for Scripted {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    fn mapped(&self, spec: Arc<Spec>) -> Arc<dyn Program> {
        Arc::new(Self { version: self.version, pace: self.pace.clone(), spec })
    }

    fn instantiate(&self, _: &[(String, String)], _: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
        Ok(Box::new(Instance(self.version, self.pace.clone())))
    }
}

struct Instance(u32, Pace);

impl Process for Instance {
    fn process(&mut self, batch: &Batch) -> Result<Outcome, Failure> {
        if let Some((clock, time)) = &self.1 {
            clock.wait(&Wake::default(), *time * batch.len() as u32);
        }
        let (mut forwarded, mut made, mut rejects) = (Vec::new(), Messages::default(), Vec::new());
        let (mut origin, mut numbers, mut texts) = (Vec::new(), Vec::new(), Packed::default());
        for index in 0..batch.len() {
            let (number, kinds) = batch.values.get(index).and_then(parse).unwrap();
            let index = index as u32;
            for kind in kinds.chars() {
                match kind {
                    'f' => forwarded.push(index),
                    'm' | 'q' => {
                        let end = if kind == 'm' { format!("@{}", self.0) } else { REFUSED_MESSAGE.to_string() };
                        made.origin.push(index);
                        made.keys.push(None);
                        made.values.push(Some(format!("{number}{end}").as_bytes()));
                    }
                    'r' | 'b' => {
                        origin.push(index);
                        numbers.push(number);
                        texts.push(if kind == 'r' { b"good" } else { REFUSED_ROW.as_bytes() });
                    }
                    'x' => rejects.push(Reject { index, reason: "asked to".to_owned() }),
                    'u' => return Err(Failure::Unreadable(format!("record {number}"))),
                    't' => return Err(Failure::Trap(format!("record {number}"))),
                    'T' if self.0 == 2 => return Err(Failure::Trap(format!("version 2 on record {number}"))),
                    _ => {}
                }
            }
        }
        let columns = [ColumnData::Int64s(numbers), ColumnData::Packed(texts)];
        let columns = columns.map(|data| Column { validity: Vec::new(), data }).into();
        let outputs = [
            Output::Forward { sink: 0, origin: forwarded },
            Output::Messages { sink: 1, messages: made },
            Output::Rows { sink: 2, rows: Rows { origin, columns } },
        ];
        let outputs = outputs.into_iter().filter(|output| !output.origin().is_empty()).collect();
        Ok(Outcome { outputs, rejects })
    }
}
