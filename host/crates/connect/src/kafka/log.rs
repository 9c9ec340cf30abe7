//! Librdkafka's log lines.

use rdkafka::config::RDKafkaLogLevel;

/// Takes in a line. Failed connections are told once, as a condition of the job, each error of TLS behind them says less
/// than that, and a producer id that has to be asked for again is nothing to act on, so here they are for debugging.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", "{facility}: {message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if !matches!(facility, "FAIL" | "SSL" | "GETPID") => {
            tracing::warn!(target: "librdkafka", "{facility}: {message}");
        }
        _ => tracing::debug!(target: "librdkafka", "{facility}: {message}"),
    }
}
