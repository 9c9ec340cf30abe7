use proptest::prelude::*;

use super::super::numbers::bytes;
use super::*;
use pelton_model::spec::{ColumnSpec, Conflict, Sink, Statement, Table};

fn spec() -> Spec {
    let column = |name: &str, column_type, nullable| ColumnSpec { name: name.to_owned(), column_type, nullable };
    let table = Table {
        name: "t".to_owned(),
        columns: vec![column("id", ColumnType::Int4, false), column("text", ColumnType::Text, true)],
        key: vec!["id".to_owned()],
        on_conflict: Conflict::Update,
    };
    let statement = Statement { sql: "delete from t where id = ?".to_owned(), placeholders: vec![ColumnType::Int8] };
    let sink = |name: &str, target| Sink { name: name.to_owned(), target };
    Spec {
        sinks: vec![
            sink("topic", Target::Topic("t".to_owned())),
            sink("table", Target::Table(table)),
            sink("statement", Target::Statement(statement)),
        ],
        ..Spec::default()
    }
}

fn raw_packed(items: &[&[u8]]) -> raw::PackedResult {
    let mut packed = Packed::default();
    items.iter().for_each(|item| packed.push(item));
    raw::PackedResult { ends: bytes(&packed.ends).to_vec(), bytes: packed.bytes }
}

fn raw_nullable(items: &[&[u8]]) -> raw::NullablePackedResult {
    raw::NullablePackedResult { validity: vec![], items: raw_packed(items) }
}

fn int4s(items: &[i32]) -> raw::Column {
    raw::Column { validity: vec![], data: raw::ColumnData::Int32s(bytes(items).to_vec()) }
}

fn texts(items: &[&[u8]]) -> raw::Column {
    raw::Column { validity: vec![], data: raw::ColumnData::Packed(raw_packed(items)) }
}

fn rows(sink: u32, origin: &[u32], columns: Vec<raw::Column>) -> raw::Output {
    raw::Output::Rows(raw::Rows { sink, origin: bytes(origin).to_vec(), columns })
}

fn messages(origin: &[u32]) -> raw::Messages {
    let items = vec![&b"v"[..]; origin.len()];
    raw::Messages {
        sink: 0,
        origin: bytes(origin).to_vec(),
        keys: raw_nullable(&items),
        values: raw_nullable(&items),
        headers: None,
    }
}

fn answer(output: raw::Output) -> Result<Outcome, String> {
    outcome(RawOutcome { outputs: vec![output], rejects: vec![] }, 3, &spec())
}

fn broken(output: raw::Output) -> String {
    answer(output).unwrap_err()
}

#[test]
fn sound_answers_pass() {
    assert!(answer(raw::Output::Forward(raw::Forward { sink: 0, origin: bytes(&[2_u32, 0, 2]).to_vec() })).is_ok());
    assert!(answer(raw::Output::Messages(messages(&[0, 1]))).is_ok());
    assert!(answer(rows(1, &[0, 2], vec![int4s(&[1, 2]), texts(&[b"a", b""])])).is_ok());
    let int8 = raw::Column { validity: vec![0], data: raw::ColumnData::Int64s(bytes(&[5_i64]).to_vec()) };
    assert!(answer(rows(2, &[1], vec![int8])).is_ok());
    assert!(answer(rows(1, &[], vec![int4s(&[]), texts(&[])])).is_ok());
}

#[test]
fn sinks_and_origins_must_exist_and_fit() {
    let forward = |sink, index| raw::Output::Forward(raw::Forward { sink, origin: bytes(&[index]).to_vec() });
    assert_eq!(broken(forward(3, 0)), "output 0: sink 3, but the job declares 3");
    assert_eq!(broken(forward(0, 3)), "output 0: origin 3 in a batch of 3 records");
    assert_eq!(broken(forward(0, u32::MAX)), "output 0: origin 4294967295 in a batch of 3 records");
    assert_eq!(broken(forward(1, 0)), "output 0: sink \"table\": messages for a table or statement");
    assert_eq!(broken(rows(0, &[0], vec![int4s(&[1])])), "output 0: sink \"topic\": rows for a topic");
}

#[test]
fn rejects_must_name_a_record_and_their_reasons_are_cut() {
    let rejects = |index, reason: String| {
        let raw = RawOutcome { outputs: vec![], rejects: vec![raw::Reject { index, reason }] };
        outcome(raw, 3, &spec())
    };
    assert_eq!(rejects(3, String::new()).unwrap_err(), "a reject of record 3 in a batch of 3");
    let kept = rejects(2, "é".repeat(REASON_BYTES)).unwrap().rejects.remove(0);
    assert_eq!((kept.index, kept.reason.len()), (2, REASON_BYTES));
}

#[test]
fn columns_must_be_the_declared_ones() {
    assert_eq!(broken(rows(1, &[0], vec![int4s(&[1])])), "output 0: sink \"table\": 1 columns where 2 are declared");
    assert_eq!(
        broken(rows(1, &[0], vec![int4s(&[1, 2]), texts(&[b"a"])])),
        "output 0: sink \"table\": column 0: 2 values for 1 rows"
    );
    assert_eq!(
        broken(rows(1, &[0], vec![int4s(&[1]), int4s(&[1])])),
        "output 0: sink \"table\": column 1: data of another type than Text"
    );
    let short = raw::Column { validity: vec![1, 1], data: raw::ColumnData::Int32s(bytes(&[1_i32]).to_vec()) };
    assert_eq!(
        broken(rows(1, &[0], vec![short, texts(&[b"a"])])),
        "output 0: sink \"table\": column 0: a validity bitmap of 2 bytes for 1 items"
    );
}

#[test]
fn buffers_must_hold_whole_numbers() {
    let cut = |mut column: raw::Column| {
        if let raw::ColumnData::Int32s(buffer) = &mut column.data {
            buffer.pop();
        }
        column
    };
    assert_eq!(
        broken(rows(1, &[0, 1], vec![cut(int4s(&[1, 2])), texts(&[b"a", b"b"])])),
        "output 0: sink \"table\": column 0: 7 bytes where numbers of 4 bytes are due"
    );
    let forward = raw::Forward { sink: 0, origin: vec![0; 5] };
    assert_eq!(
        broken(raw::Output::Forward(forward)),
        "output 0: sink \"topic\": origin: 5 bytes where numbers of 4 bytes are due"
    );
    let mut values = raw_nullable(&[b"v"]);
    values.items.ends.push(0);
    assert_eq!(
        broken(raw::Output::Messages(raw::Messages { values, ..messages(&[0]) })),
        "output 0: sink \"topic\": values: ends: 5 bytes where numbers of 4 bytes are due"
    );
    let headers = raw::HeadersResult { ends: vec![0; 3], names: raw_packed(&[]), values: raw_nullable(&[]) };
    assert_eq!(
        broken(raw::Output::Messages(raw::Messages { headers: Some(headers), ..messages(&[0]) })),
        "output 0: sink \"topic\": header ends: 3 bytes where numbers of 4 bytes are due"
    );
}

#[test]
fn header_names_must_be_text() {
    for name in [&b"\xff"[..], b"a\0b"] {
        let headers = raw::HeadersResult {
            ends: bytes(&[1_u32]).to_vec(),
            names: raw_packed(&[name]),
            values: raw_nullable(&[b"v"]),
        };
        let with = raw::Messages { headers: Some(headers), ..messages(&[0]) };
        assert!(broken(raw::Output::Messages(with)).contains("a header name that is not text"));
    }
}

proptest! {
    /// Whatever the lists say: an answer is refused, or every accessor of what passed stays within its bytes.
    #[test]
    fn no_lengths_get_past(
        origin in proptest::collection::vec(0..4u32, 0..5),
        ends in proptest::collection::vec(0..12u32, 0..5),
        cut in 0..4usize,
        data in proptest::collection::vec(any::<u8>(), 0..12),
        validity in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let count = origin.len();
        let ends = bytes(&ends);
        let ends = &ends[..ends.len().saturating_sub(cut)];
        let packed = || raw::PackedResult { ends: ends.to_vec(), bytes: data.clone() };
        let values = raw::NullablePackedResult { validity, items: packed() };
        let keys = raw_nullable(&vec![&b""[..]; count]);
        let raw = raw::Messages { sink: 0, origin: bytes(&origin).to_vec(), keys, values, headers: None };
        if let Ok(outcome) = answer(raw::Output::Messages(raw)) {
            let Some(Output::Messages { messages, .. }) = outcome.outputs.first() else { panic!() };
            let lengths: usize = (0..count).map(|i| messages.values.items.get(i).unwrap().len()).sum();
            prop_assert_eq!(lengths, data.len());
            prop_assert!(messages.origin.iter().all(|&index| index < 3));
        }
    }
}
