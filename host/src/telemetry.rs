//! Log lines: to standard error, by `PELTON_LOG` (such as `info`, `debug`, `pelton=debug,librdkafka=debug`). An event
//! is one line, whatever guests, Kafka, Postgres and names of files say in it.

use std::fmt::{self, Debug};
use std::io::{IsTerminal, Write};

use pelton_model::text;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::prelude::*;

use crate::config::LogFormat;

/// The lines of the audit, which `PELTON_LOG` must name to be without them.
const AUDIT: &str = "audit";

/// Starts logging. A second call changes nothing.
pub fn start(format: LogFormat) {
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // Whoever has closed standard error is told nothing, neither that.
    let lines = lines.log_internal_errors(false);
    let filter = with_audit(filter("info,wasmtime=warn,cranelift=warn"));
    let logging = tracing_subscriber::registry().with(filter);
    // The first one stays.
    let _ = match format {
        LogFormat::Text => logging.with(lines.with_target(false).fmt_fields(OneLine)).try_init(),
        LogFormat::Json => logging.with(lines.json()).try_init(),
    };
}

/// Starts logging warnings and errors to what takes the place of standard error. A second call changes nothing.
pub fn start_above(screen: impl Write + Clone + Send + Sync + 'static) {
    let lines =
        tracing_subscriber::fmt::layer().with_target(false).fmt_fields(OneLine).with_writer(move || screen.clone());
    // The first one stays.
    let _ = tracing_subscriber::registry().with(filter("warn")).with(lines).try_init();
}

/// What `PELTON_LOG` asks for, or else this. Without the spans and patterns of `EnvFilter`, which take a regex engine.
fn filter(default: &str) -> Targets {
    let asked = std::env::var("PELTON_LOG").ok().and_then(|asked| parse(&asked));
    asked.or_else(|| parse(default)).unwrap_or_default()
}

/// Whoever asks for warnings only did not mean the audit.
fn with_audit(filter: Targets) -> Targets {
    let is_named = filter.iter().any(|(target, _)| target == AUDIT);
    if is_named { filter } else { filter.with_target(AUDIT, tracing::Level::INFO) }
}

fn parse(directives: &str) -> Option<Targets> {
    let directives: Vec<&str> = directives.split(',').filter(|directive| !directive.is_empty()).collect();
    directives.join(",").parse().ok()
}

/// Writes the message and the fields of an event as they are usually written, with every character escaped that would
/// be more than text.
struct OneLine;

impl<'w> FormatFields<'w> for OneLine {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut fields_of = Fields { writer, is_first: true, result: Ok(()) };
        fields.record(&mut fields_of);
        fields_of.result
    }
}

struct Fields<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        let value = format!("{value:?}");
        let value = text::line(&value);
        match field.name() {
            "message" => self.writer.write_str(&value),
            name if self.writer.has_ansi_escapes() => write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{value}"),
            name => write!(self.writer, "{name}={value}"),
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Lines of crates that use `log` have the place in their source, which is nobody's to look at here.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.write(field, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged within, as text.
    fn logged(ansi: bool, work: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer().with_target(false).without_time().with_ansi(ansi);
        let lines = lines.fmt_fields(OneLine).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_it_tells() {
        let hostile = "boom\x1b[2J\r\n2026 ERROR all is lost\u{9b}\u{202e}\u{2028}";
        let told = logged(false, || {
            tracing::error!(job.name = "j", kafka.error = %hostile, record = hostile, count = 7, "{hostile} in x");
            let span = tracing::info_span!("of", file = %hostile);
            span.in_scope(|| tracing::info!("within"));
        });
        let escaped = "boom\\u{1b}[2J\\r\\n2026 ERROR all is lost\\u{9b}\\u{202e}\\u{2028}";
        let quoted = "\"boom\\u{1b}[2J\\r\\n2026 ERROR all is lost\\u{9b}\\u{202e}\\u{2028}\"";
        let first = format!("ERROR {escaped} in x job.name=\"j\" kafka.error={escaped} record={quoted} count=7\n");
        assert_eq!(told, format!("{first} INFO of{{file={escaped}}}: within\n"));
        let of_log = logged(false, || tracing::info!(log.file = "/home/ana/x.rs", log.line = 7, x = 1, "told"));
        assert_eq!(of_log, " INFO told x=1\n");
        let coloured = logged(true, || tracing::info!(job.name = "j", "{hostile}"));
        let (before, after) = coloured.split_once("\u{1b}[32m INFO\u{1b}[0m ").unwrap();
        assert_eq!((before, after), ("", &*format!("{escaped} \x1b[3mjob.name\x1b[0m\x1b[2m=\x1b[0m\"j\"\n")));
    }
}
