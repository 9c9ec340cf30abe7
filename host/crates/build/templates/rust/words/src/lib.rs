//! Passes on the words that are longer than a parameter says.

use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec};

const LONG_WORDS: Sink = Sink::topic("long_words");

/// The job.
pub struct LongWords {
    longest: usize,
}

impl Job for LongWords {
    fn spec() -> Spec {
        Spec::new("{{name}}", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .source("words")
            .sink(LONG_WORDS)
            .parameter("longest", "words of up to so many bytes are dropped", "4")
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Self { longest: parameters.get("longest")? })
    }

    // Called with one record at a time. To drop one is to emit nothing.
    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let word = record.text()?;
        if word.contains(' ') {
            return Err("more than one word".into());
        }
        if word.len() > self.longest {
            out.forward(&LONG_WORDS);
        }
        Ok(())
    }
}

pelton_job::export!(LongWords);

#[cfg(test)]
mod tests;
