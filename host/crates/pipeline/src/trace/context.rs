//! The `traceparent` of W3C Trace Context (<https://www.w3.org/TR/trace-context/>), as records carry it in their
//! headers.
//!
//! Whatever another program wrote there is either a trace to continue or nothing at all: what breaks the standard is no
//! trace.

use std::fmt;

/// The header with the trace and the span that a record was made in.
pub const TRACEPARENT: &str = "traceparent";
/// The header with what vendors keep beside it.
pub const TRACESTATE: &str = "tracestate";

/// Most bytes of `tracestate` that are passed on: what the standard asks for. One record may become many messages.
pub const MOST_STATE: usize = 512;

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;
/// The flag of a trace whose id is random.
const RANDOM: u8 = 2;

/// A place in a trace. Neither id is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: u128,
    /// The span.
    pub span: u64,
    /// Flags of the standard.
    pub flags: u8,
}

impl TraceContext {
    /// Reads a `traceparent`. Versions to come are read as the standard says: by the fields of version 00, whatever
    /// follows.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (fields, rest) = header.split_at_checked(55)?;
        let [a, b, c] = [2, 35, 52].map(|at| fields.get(at).copied());
        let version: u8 = hex(fields.get(..2)?)?.try_into().ok()?;
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        // Flags that are not defined are set to 0.
        let context = Self {
            trace: hex(fields.get(3..35)?)?,
            span: hex(fields.get(36..52)?)?.try_into().ok()?,
            flags: u8::try_from(hex(fields.get(53..55)?)?).ok()? & (SAMPLED | RANDOM),
        };
        let dashes = [a, b, c] == [Some(b'-'); 3];
        (fits && dashes && context.trace != 0 && context.span != 0).then_some(context)
    }

    /// The first span of a new trace that is recorded, with a random id.
    pub fn root() -> Self {
        Self { trace: rand::random::<u128>().max(1), span: new_span(), flags: SAMPLED | RANDOM }
    }

    /// Another span of the same trace.
    pub fn child(self) -> Self {
        Self { span: new_span(), ..self }
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// The value of the header, in version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

fn new_span() -> u64 {
    rand::random::<u64>().max(1)
}

/// At most 32 digits, small letters only.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parsed(text: &str) -> Option<String> {
        TraceContext::parse(text.as_bytes()).map(|context| context.to_string())
    }

    #[test]
    fn the_examples_of_the_standard_are_read_as_it_says() {
        assert_eq!(parsed(EXAMPLE).as_deref(), Some(EXAMPLE));
        assert!(TraceContext::parse(EXAMPLE.as_bytes()).unwrap().is_sampled());
        let unsampled = EXAMPLE.replace("b7-01", "b7-00");
        assert!(!TraceContext::parse(unsampled.as_bytes()).unwrap().is_sampled());
        // Flags that nobody knows are not passed on.
        assert_eq!(parsed(&EXAMPLE.replace("b7-01", "b7-fd")).as_deref(), Some(EXAMPLE));
        // A version to come may say more, after a dash.
        for later in [EXAMPLE.replace("00-4b", "cc-4b"), format!("{}-what-else", EXAMPLE.replace("00-4b", "01-4b"))] {
            assert_eq!(parsed(&later).as_deref(), Some(EXAMPLE));
        }
    }

    #[test]
    fn what_breaks_the_standard_is_no_trace() {
        for wrong in [
            String::new(),
            EXAMPLE.to_uppercase(),
            format!("{EXAMPLE}-01"),
            format!("{EXAMPLE}."),
            format!(" {EXAMPLE}"),
            EXAMPLE.replace("00-4b", "ff-4b"),
            EXAMPLE.replace("00-4b", "0x-4b"),
            format!("{}.what", EXAMPLE.replace("00-4b", "cc-4b")),
            EXAMPLE.replace('-', "_"),
            EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16)),
            EXAMPLE.replace("b7-01", "b7-+1"),
            EXAMPLE[..54].to_owned(),
        ] {
            assert_eq!(parsed(&wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_context_comes_back(trace in 1u128.., span in 1u64.., flags in 0u8..4) {
            let context = TraceContext { trace, span, flags };
            prop_assert_eq!(TraceContext::parse(context.to_string().as_bytes()), Some(context));
        }

        #[test]
        fn any_bytes_are_a_context_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(TraceContext::parse(&bytes), None);
        }

        /// Close to right: one byte of a good header replaced, and the end cut off or something put there.
        #[test]
        fn what_is_read_is_what_stands_there(
            at in 0usize..55,
            byte: u8,
            cut in 0usize..=55,
            tail in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut header = EXAMPLE.as_bytes().to_vec();
            header[at] = byte;
            header.truncate(55.min(cut.max(40)));
            header.extend(&tail);
            if let Some(context) = TraceContext::parse(&header) {
                let again = context.to_string();
                prop_assert_eq!(&again.as_bytes()[2..53], &header[2..53]);
                prop_assert!(header[..2] != *b"ff" && context.trace != 0 && context.span != 0);
                prop_assert!(header[..2] != *b"00" || header.len() == 55);
            }
        }

        #[test]
        fn a_child_is_another_span_of_the_trace(trace in 1u128.., span in 1u64.., flags in 0u8..4) {
            let parent = TraceContext { trace, span, flags };
            let child = parent.child();
            prop_assert_eq!((child.trace, child.flags), (trace, flags));
            prop_assert!(child.span != 0 && child.span != span);
        }
    }
}
