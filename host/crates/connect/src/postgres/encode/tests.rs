//! The encoder alone: what it makes of values, and what it refuses.

use proptest::prelude::*;

use super::*;
use pelton_model::record::Packed;
use pelton_model::spec::{ColumnSpec, Conflict, Statement, Table};

fn encoder(columns: &[(ColumnType, bool)]) -> Encoder {
    let columns = columns.iter().enumerate().map(|(i, &(column_type, nullable))| ColumnSpec {
        name: format!("c{i}"),
        column_type,
        nullable,
    });
    Encoder::new(&Target::Table(Table {
        name: "t".to_owned(),
        columns: columns.collect(),
        key: vec![],
        on_conflict: Conflict::Fail,
    }))
}

fn packed(items: &[&[u8]]) -> ColumnData {
    let mut packed = Packed::default();
    items.iter().for_each(|item| packed.push(item));
    ColumnData::Packed(packed)
}

fn rows(columns: Vec<ColumnData>) -> Rows {
    let origin = (0..columns[0].len() as u32).map(|i| i + 100).collect();
    Rows { origin, columns: columns.into_iter().map(|data| Column { validity: vec![], data }).collect() }
}

/// The reasons for a column of this type alone.
fn refused(column_type: ColumnType, data: ColumnData) -> Vec<String> {
    let encoded = encoder(&[(column_type, false)]).encode(&rows(vec![data]));
    encoded.refused.into_iter().map(|(_, reason)| reason).collect()
}

#[test]
fn a_row_is_as_copy_takes_it() {
    let columns = [(ColumnType::Int4, false), (ColumnType::Jsonb, true), (ColumnType::Date, true)];
    let mut batch =
        rows(vec![ColumnData::Int32s(vec![7, 8]), packed(&[b"{}", b""]), ColumnData::Int32s(vec![0, 10_958])]);
    batch.columns[1].validity = vec![0b01];
    let encoded = encoder(&columns).encode(&batch);
    let mut expected = b"\0\x03\0\0\0\x04\0\0\0\x07\0\0\0\x03\x01{}\0\0\0\x04\xff\xff\xd5\x33".to_vec();
    assert_eq!(encoded.rows.copy_rows(&(0..1)), expected);
    expected.extend(b"\0\x03\0\0\0\x04\0\0\0\x08\xff\xff\xff\xff\0\0\0\x04\0\0\0\x01");
    assert_eq!(encoded.rows.copy_rows(&(0..2)), expected);
    assert_eq!((encoded.rows.origin(0), encoded.rows.origin(1)), (100, 101));
    assert_eq!(encoded.refused, []);
}

#[test]
fn text_is_what_is_utf8_without_nul_wherever_a_byte_stands() {
    for (length, at) in (1..70).flat_map(|length| (0..length).map(move |at| (length, at))) {
        for byte in 0..=255 {
            let mut item = vec![b'x'; length];
            item[at] = byte;
            assert_eq!(text(&item).is_ok(), (1..0x80).contains(&byte), "{byte:#x} at {at} of {length}");
        }
    }
    assert_eq!((text(b""), text("21 °C".as_bytes())), (Ok(()), Ok(())));
}

#[test]
fn a_row_that_postgres_cannot_hold_is_left_out() {
    assert_eq!(
        refused(ColumnType::Text, packed(&[b"ok", b"a\0b", b"a\xff", "é".as_bytes()])),
        ["column `c0`: a NUL character, which Postgres can't keep in text", "column `c0`: not UTF-8 from byte 1 on"]
    );
    for column_type in [ColumnType::Json, ColumnType::Jsonb, ColumnType::Varchar] {
        assert_eq!(refused(column_type, packed(&[b"\0", b"1"])).len(), 1);
    }
    assert_eq!(refused(ColumnType::Bytea, packed(&[b"\0\xff"])), [""; 0]);
    assert_eq!(
        refused(ColumnType::Numeric, packed(&[b"1.5", b"12,5", b"1e999999", &[b'x'; 50], b"\xff"])),
        [
            "column `c0`: `12,5` is not a number".to_owned(),
            "column `c0`: `1e999999` has more than 131072 digits before the decimal point".to_owned(),
            format!("column `c0`: `{}…` is not a number", "x".repeat(40)),
            "column `c0`: `\\xff` is not a number".to_owned(),
        ]
    );
    assert_eq!(
        refused(ColumnType::Uuid, packed(&[&[7; 16], &[7; 15], b""])),
        ["column `c0`: a uuid of 15 bytes where 16 are due", "column `c0`: a uuid of 0 bytes where 16 are due"]
    );
    assert_eq!(
        refused(ColumnType::Date, ColumnData::Int32s(vec![-2_440_588, -2_440_589, 2_145_042_906, i32::MIN])),
        [
            "column `c0`: day -2440589 from 1970-01-01 is out of Postgres's range",
            "column `c0`: day 2145042906 from 1970-01-01 is out of Postgres's range",
            "column `c0`: day -2147483648 from 1970-01-01 is out of Postgres's range",
        ]
    );
    for timestamp in [ColumnType::Timestamp, ColumnType::Timestamptz] {
        let data = ColumnData::Int64s(vec![-210_866_803_200_000_000, -210_866_803_200_000_001, i64::MIN, i64::MAX]);
        assert_eq!(refused(timestamp, data).len(), 2);
    }
}

#[test]
fn a_null_is_refused_where_none_is_declared() {
    let mut batch = rows(vec![ColumnData::Int32s(vec![1, 2]), packed(&[b"\0", b"\0"])]);
    batch.columns[0].validity = vec![0b10];
    batch.columns[1].validity = vec![0b00];
    let encoded = encoder(&[(ColumnType::Int4, false), (ColumnType::Text, true)]).encode(&batch);
    assert_eq!(encoded.refused, [(100, "column `c0`: null where the job declares that there is none".to_owned())]);
    assert_eq!(encoded.rows.len(), 1);
    assert_eq!(encoded.rows.origin(0), 101);
    // A placeholder takes nulls, and is called by its number.
    batch.columns[1].validity = vec![];
    let statement = Statement { sql: String::new(), placeholders: vec![ColumnType::Int4, ColumnType::Int2] };
    let encoded = Encoder::new(&Target::Statement(statement)).encode(&batch);
    assert_eq!(encoded.refused[1].1, "placeholder 2: values of another type than declared");
}

#[test]
fn broken_rows_break_nothing() {
    let short =
        Rows { origin: vec![0, 1], columns: vec![Column { validity: vec![], data: ColumnData::Int16s(vec![5]) }] };
    let encoded = encoder(&[(ColumnType::Int2, false)]).encode(&short);
    assert_eq!(encoded.refused, [(1, "column `c0`: missing".to_owned())]);
    let encoded = encoder(&[(ColumnType::Int2, false), (ColumnType::Int2, false)]).encode(&short);
    assert_eq!(encoded.refused.len(), 2);
    assert!(encoded.rows.is_empty());
}

proptest! {
    #[test]
    fn cells_are_the_values(
        batch in proptest::collection::vec(
            (any::<i64>(), proptest::option::of("[^\0]{0,9}"), any::<bool>()),
            0..50,
        ),
    ) {
        let items: Vec<_> = batch.iter().map(|(_, text, _)| text.as_deref().unwrap_or("under").as_bytes()).collect();
        let mut rows = rows(vec![
            ColumnData::Int64s(batch.iter().map(|row| row.0).collect()),
            packed(&items),
            ColumnData::Booleans(batch.iter().map(|row| row.2).collect()),
        ]);
        rows.columns[1].validity = vec![0; batch.len().div_ceil(8)];
        for (i, _) in batch.iter().enumerate().filter(|(_, row)| row.1.is_some()) {
            rows.columns[1].validity[i / 8] |= 1 << (i % 8);
        }
        let columns = [(ColumnType::Int8, false), (ColumnType::Text, true), (ColumnType::Boolean, false)];
        let encoded = encoder(&columns).encode(&rows);
        prop_assert_eq!(encoded.rows.len(), batch.len());
        for (i, (number, text, flag)) in batch.iter().enumerate() {
            let found: Vec<_> = encoded.rows.cells(i).map(|cell| cell.value()).collect();
            let number = number.to_be_bytes();
            let flag = [u8::from(*flag)];
            prop_assert_eq!(found, [Some(&number[..]), text.as_deref().map(str::as_bytes), Some(&flag[..])]);
            prop_assert_eq!(encoded.rows.rows_before(encoded.rows.start(i)), i);
        }
    }
}
