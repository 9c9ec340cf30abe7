//! Columns from a job to rows as Postgres reads them.
//!
//! Guests hand over columns; what happens to a row (it is written, split off, refused) happens to a whole row. So the
//! columns are turned into rows once, on the guest's thread, each as binary `COPY` takes it: the number of cells as a
//! big-endian `int2`, then the cells, each as its length (`int4`, -1 for null) and its bytes. Arrays and parameters of
//! Postgres have the same cells, so that one encoding serves every way in. A row that Postgres could not hold is left
//! out here, with the reason, and costs the others nothing. One that Postgres refuses by its own rules (constraints,
//! lengths, syntax of JSON) is found by the writer.

use std::ops::Range;

use bytes::Bytes;

use super::numeric;
use pelton_model::record::{Column, ColumnData, Rows, is_valid};
use pelton_model::spec::{ColumnType, Target};

/// Days from 1970-01-01, where the contract starts to count, to 2000-01-01, where Postgres does.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// What Postgres takes as a `date`, in days from its own epoch: 4713 BC to 5874897 AD.
const DATES: Range<i32> = -2_451_545..2_145_031_949;
/// What Postgres takes as a timestamp, in microseconds from its own epoch: 4713 BC to 294276 AD.
const TIMESTAMPS: Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;
/// Postgres takes no message of a gigabyte or more; this leaves room for what surrounds a row.
const MAX_ROW_BYTES: usize = 0x3fff_0000;

/// What a binary `COPY` begins with: its signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(super) const TRAILER: &[u8] = b"\xff\xff";

/// Rows that are fit to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedRows {
    bytes: Bytes,
    /// The end of each row in `bytes`.
    ends: Vec<usize>,
    /// The index of the record that each row was made from.
    origin: Vec<u32>,
}

impl EncodedRows {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of memory held, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<usize>() + self.origin.len() * size_of::<u32>()
    }

    /// All of them as a binary `COPY` takes them, with what stands before and after them.
    pub fn copy_file(&self) -> Bytes {
        [HEADER, &self.bytes, TRAILER].concat().into()
    }

    /// The cells of row `i` as a statement takes them: parameters in binary format, `None` for null.
    pub fn parameters(&self, i: usize) -> Vec<Option<&[u8]>> {
        self.cells(i).map(|cell| cell.value()).collect()
    }

    /// The index of the record that row `i` was made from.
    pub(super) fn origin(&self, i: usize) -> u32 {
        self.origin.get(i).copied().unwrap_or_default()
    }

    /// Where row `i` starts in the rows' bytes; for `i` = [`len`](Self::len), where they end.
    pub(super) fn start(&self, i: usize) -> usize {
        i.checked_sub(1).and_then(|previous| self.ends.get(previous)).copied().unwrap_or(0)
    }

    /// How many rows end at or before byte `limit`.
    pub(super) fn rows_before(&self, limit: usize) -> usize {
        self.ends.partition_point(|&end| end <= limit)
    }

    /// The cells of row `i`.
    pub(super) fn cells(&self, i: usize) -> Cells<'_> {
        Cells(self.bytes.get(self.start(i) + 2..self.start(i + 1)).unwrap_or_default())
    }

    /// Rows as `COPY` takes them.
    pub(super) fn copy_rows(&self, range: &Range<usize>) -> Bytes {
        self.bytes.slice(self.start(range.start)..self.start(range.end))
    }
}

/// The cells of a row, in order.
#[derive(Debug, Clone)]
pub(super) struct Cells<'a>(&'a [u8]);

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        let (length, _) = self.0.split_first_chunk()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (cell, rest) = self.0.split_at_checked(4 + length.unwrap_or(0)).unwrap_or((self.0, &[]));
        self.0 = rest;
        Some(Cell { bytes: cell, null: length.is_none() })
    }
}

/// One value with its length before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Cell<'a> {
    /// As it stands in an array.
    pub(super) bytes: &'a [u8],
    /// Whether it is null.
    pub(super) null: bool,
}

impl<'a> Cell<'a> {
    /// The value alone, as it stands in a parameter.
    pub(super) fn value(&self) -> Option<&'a [u8]> {
        if self.null { None } else { self.bytes.get(4..) }
    }
}

/// What became of a job's rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Those to be sent, in the job's order.
    pub rows: EncodedRows,
    /// Those that Postgres could not hold: the index of the record, and the reason, which names the column and what is
    /// wrong with its value.
    pub refused: Vec<(u32, String)>,
}

#[derive(Debug)]
struct Field {
    /// How a reason calls it.
    label: String,
    column_type: ColumnType,
    nullable: bool,
}

/// Turns rows for one sink into what Postgres reads. Cheap to keep, one for each sink.
#[derive(Debug)]
pub struct Encoder {
    fields: Vec<Field>,
}

impl Encoder {
    /// An encoder for the columns of a table or the placeholders of a statement; for a topic, which takes no rows, one
    /// without columns.
    pub fn new(target: &Target) -> Self {
        let fields = match target {
            Target::Table(table) => table
                .columns
                .iter()
                .map(|column| Field {
                    label: format!("column `{}`", column.name),
                    column_type: column.column_type,
                    nullable: column.nullable,
                })
                .collect(),
            Target::Statement(statement) => statement
                .placeholders
                .iter()
                .enumerate()
                .map(|(i, &column_type)| Field { label: format!("placeholder {}", i + 1), column_type, nullable: true })
                .collect(),
            Target::Topic(_) => Vec::new(),
        };
        Self { fields }
    }

    /// Encodes rows whose columns were checked against the contract: as many as declared, each as long as `origin`.
    pub fn encode(&self, rows: &Rows) -> Encoded {
        let mut encoded = Encoded::default();
        let mut bytes = Vec::with_capacity(size_estimate(rows));
        encoded.rows.ends.reserve_exact(rows.origin.len());
        encoded.rows.origin.reserve_exact(rows.origin.len());
        for (i, &origin) in rows.origin.iter().enumerate() {
            let start = bytes.len();
            match self.row(&rows.columns, i, &mut bytes) {
                Ok(()) => {
                    encoded.rows.ends.push(bytes.len());
                    encoded.rows.origin.push(origin);
                }
                Err(reason) => {
                    bytes.truncate(start);
                    encoded.refused.push((origin, reason));
                }
            }
        }
        encoded.rows.bytes = Bytes::from(bytes);
        encoded
    }

    /// Why Postgres could not hold row `i`, if so.
    pub fn refusal(&self, rows: &Rows, i: usize) -> Option<String> {
        self.row(&rows.columns, i, &mut Vec::new()).err()
    }

    fn row(&self, columns: &[Column], i: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        out.extend_from_slice(&(self.fields.len() as i16).to_be_bytes()); // Postgres has at most 1,600 columns
        for (at, field) in self.fields.iter().enumerate() {
            columns
                .get(at)
                .ok_or_else(|| "missing".to_owned())
                .and_then(|column| field.cell(column, i, out))
                .map_err(|problem| format!("{}: {problem}", field.label))?;
        }
        if out.len() - start > MAX_ROW_BYTES {
            return Err(format!("a row of {} bytes is too large for Postgres", out.len() - start));
        }
        Ok(())
    }
}

impl Field {
    fn cell(&self, column: &Column, i: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if !is_valid(&column.validity, i) {
            if !self.nullable {
                return Err("null where the job declares that there is none".to_owned());
            }
            out.extend_from_slice(&(-1i32).to_be_bytes());
            return Ok(());
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        self.value(&column.data, i, out)?;
        let length = (out.len() - start - 4) as i32; // a row's size is checked after its last cell
        if let Some(prefix) = out.get_mut(start..start + 4) {
            prefix.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    fn value(&self, data: &ColumnData, i: usize, out: &mut Vec<u8>) -> Result<(), String> {
        use ColumnType::{Bytea, Date, Json, Jsonb, Numeric, Text, Timestamp, Timestamptz, Uuid, Varchar};
        fn at<T: Copy>(values: &[T], i: usize) -> Result<T, String> {
            values.get(i).copied().ok_or_else(|| "missing".to_owned())
        }
        match (data, self.column_type) {
            (ColumnData::Booleans(v), ColumnType::Boolean) => out.push(u8::from(at(v, i)?)),
            (ColumnData::Int16s(v), ColumnType::Int2) => out.extend_from_slice(&at(v, i)?.to_be_bytes()),
            (ColumnData::Int32s(v), ColumnType::Int4) => out.extend_from_slice(&at(v, i)?.to_be_bytes()),
            (ColumnData::Int32s(v), Date) => out.extend_from_slice(&date(at(v, i)?)?.to_be_bytes()),
            (ColumnData::Int64s(v), ColumnType::Int8) => out.extend_from_slice(&at(v, i)?.to_be_bytes()),
            (ColumnData::Int64s(v), Timestamptz | Timestamp) => {
                out.extend_from_slice(&timestamp(at(v, i)?)?.to_be_bytes());
            }
            (ColumnData::Float32s(v), ColumnType::Float4) => out.extend_from_slice(&at(v, i)?.to_be_bytes()),
            (ColumnData::Float64s(v), ColumnType::Float8) => out.extend_from_slice(&at(v, i)?.to_be_bytes()),
            (ColumnData::Packed(v), column_type) => {
                let item = v.get(i).ok_or_else(|| "missing".to_owned())?;
                match column_type {
                    Bytea => {}
                    Text | Varchar | Json => text(item)?,
                    Jsonb => {
                        text(item)?;
                        out.push(1); // the version of jsonb's binary form
                    }
                    Numeric => {
                        return numeric::encode(item, out).map_err(|why| format!("`{}` {why}", excerpt(item)));
                    }
                    Uuid if item.len() == 16 => {}
                    Uuid => return Err(format!("a uuid of {} bytes where 16 are due", item.len())),
                    _ => return Err("values of another type than declared".to_owned()),
                }
                out.extend_from_slice(item);
            }
            _ => return Err("values of another type than declared".to_owned()),
        }
        Ok(())
    }
}

fn date(days: i32) -> Result<i32, String> {
    days.checked_sub(EPOCH_DAYS)
        .filter(|days| DATES.contains(days))
        .ok_or_else(|| format!("day {days} from 1970-01-01 is out of Postgres's range"))
}

fn timestamp(micros: i64) -> Result<i64, String> {
    micros
        .checked_sub(EPOCH_MICROS)
        .filter(|micros| TIMESTAMPS.contains(micros))
        .ok_or_else(|| format!("microsecond {micros} from 1970-01-01 is out of Postgres's range"))
}

fn text(item: &[u8]) -> Result<(), String> {
    if is_plain(item) {
        return Ok(());
    }
    if let Err(error) = std::str::from_utf8(item) {
        return Err(format!("not UTF-8 from byte {} on", error.valid_up_to()));
    }
    if item.contains(&0) {
        return Err("a NUL character, which Postgres can't keep in text".to_owned());
    }
    Ok(())
}

/// Whether text is ASCII without NUL, as most is: told many bytes at a time, for no byte ends the loop.
fn is_plain(item: &[u8]) -> bool {
    let other = item.iter().fold(0, |other, &byte| other | byte | byte.wrapping_sub(1));
    other & 0x80 == 0
}

/// The beginning of a value for people, in ASCII.
fn excerpt(item: &[u8]) -> String {
    match item.get(..40) {
        Some(start) => format!("{}…", start.escape_ascii()),
        None => item.escape_ascii().to_string(),
    }
}

/// The size of the rows once encoded: exact for most types, about right for the rest.
fn size_estimate(rows: &Rows) -> usize {
    let cells = rows.origin.len() * rows.columns.len();
    let values: usize = rows
        .columns
        .iter()
        .map(|column| match &column.data {
            ColumnData::Packed(v) => v.bytes.len() + v.len(),
            ColumnData::Booleans(v) => v.len(),
            ColumnData::Int16s(v) => v.len() * 2,
            ColumnData::Int32s(v) => v.len() * 4,
            ColumnData::Float32s(v) => v.len() * 4,
            ColumnData::Int64s(v) => v.len() * 8,
            ColumnData::Float64s(v) => v.len() * 8,
        })
        .sum();
    rows.origin.len() * 2 + cells * 4 + values
}

#[cfg(test)]
mod tests;
