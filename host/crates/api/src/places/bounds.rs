//! How many places there are, and why there is none.

/// How many places there are of each kind, and how many bytes of answers may wait to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections of callers that have shown nothing.
    pub open: usize,
    /// Requests.
    pub requests: usize,
    /// Streams of events.
    pub streams: usize,
    /// Bytes of answers.
    pub unread: usize,
}

impl Bounds {
    /// For a process that may have so many files open: connections take a quarter of them at most, and as many again
    /// while they end, so that Kafka, Postgres and files have the other half.
    pub fn within(files: u64) -> Self {
        let all = usize::try_from(files / 4).unwrap_or(usize::MAX).clamp(16, 1024);
        Self { open: all / 2, requests: all / 4, streams: all / 4, unread: 256 << 20 }
    }

    /// All places.
    pub(crate) fn all(&self) -> usize {
        self.open + self.requests + self.streams
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// So many requests are under way.
    Requests(usize),
    /// So many of them are the caller's.
    Share(usize),
    /// So many streams are.
    Streams(usize),
    /// So many bytes of answers are not read.
    Unread(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_others() {
        assert_eq!(Bounds::within(1 << 20).all(), 1024);
        for files in [256, 1024, 4096] {
            assert!(Bounds::within(files).all() as u64 * 2 <= files / 2, "{files}");
        }
        assert!(Bounds::within(0).open > 0 && Bounds::within(0).requests > 0 && Bounds::within(0).streams > 0);
    }
}
