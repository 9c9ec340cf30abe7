//! Log lines: to standard error, by `PELTON_LOG` (such as `info`, `debug`, `pelton=debug,librdkafka=debug`).

use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::config::LogFormat;

/// The lines of the audit, which `PELTON_LOG` must name to be without them.
const AUDIT: &str = "audit";

/// Starts logging. A second call changes nothing.
pub fn start(format: LogFormat) {
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let filter = with_audit(filter("info,wasmtime=warn,cranelift=warn"));
    let logging = tracing_subscriber::registry().with(filter);
    // The first one stays.
    let _ = match format {
        LogFormat::Text => logging.with(lines.with_target(false)).try_init(),
        LogFormat::Json => logging.with(lines.json()).try_init(),
    };
}

/// Starts logging warnings and errors to what takes the place of standard error. A second call changes nothing.
pub fn start_above(screen: impl Write + Clone + Send + Sync + 'static) {
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(move || screen.clone());
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
