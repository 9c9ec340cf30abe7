//! A record of a log, whichever log that is.

/// A record as a log has it.
pub trait LogRecord {
    /// Its partition.
    fn partition(&self) -> i32;
    /// Its offset.
    fn offset(&self) -> i64;
    /// Milliseconds since the Unix epoch, where it has a time.
    fn timestamp(&self) -> Option<i64>;
    /// Its key.
    fn key(&self) -> Option<&[u8]>;
    /// Its value.
    fn value(&self) -> Option<&[u8]>;
    /// How many headers it has.
    fn header_count(&self) -> usize;
    /// A header: its name, and its value or null.
    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)>;
}
