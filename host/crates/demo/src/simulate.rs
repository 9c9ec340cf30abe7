//! `pelton simulate`: the article's `kafka_producer.py`. Readings go to a topic until there are enough, or until
//! Ctrl-C.

use std::io::{self, Write as _};
use std::time::Instant;

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use pelton_connect::kafka::Admin;
use pelton_model::cause::{Because as _, Cause};
use pelton_model::near::did_you_mean;
use pelton_model::settings::{self, Config};

use crate::error::Error;
use crate::sensors::Sensors;
use crate::simulator::Simulator;

/// `pelton simulate`.
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {
    /// Readings a second, such as 0.5 or 1000; 0 is as fast as Kafka takes them (the article's script sends 2)
    #[arg(long, value_name = "N", default_value = "10", value_parser = rate)]
    pub rate: f64,
    /// Stop after so many readings [default: go on until Ctrl-C]
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// The same seed gives the same readings, ids included, apart from their times [default: new ones]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The topic
    #[arg(long, default_value = "sensors")]
    pub topic: String,
    /// Kafka, host:port, several with commas [default: localhost:9092, or KAFKA_HOST]
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1e9).contains(&rate) => Ok(rate),
        _ => Err("not a number from 0 to 1,000,000,000".to_owned()),
    }
}

/// Sends readings until there are enough, or until the process is asked to end, for which is listened from the first
/// reading on.
///
/// # Errors
/// The settings make no sense, the topic is not there, or readings were not delivered.
pub async fn run<Stop: Future<Output = ()>>(
    args: SimulateArgs,
    listen: impl FnOnce() -> Result<Stop, Cause>,
) -> Result<(), Error> {
    send(args, listen).await.because(Error::Simulate)
}

async fn send<Stop: Future<Output = ()>>(
    args: SimulateArgs,
    listen: impl FnOnce() -> Result<Stop, Cause>,
) -> Result<()> {
    let flags: Vec<_> = args.kafka.iter().map(|kafka| ("kafka.bootstrap", kafka.as_str().into())).collect();
    let config = Config::load(None, &flags)?;
    config.log_warnings();
    let kafka = config.kafka;
    let (asked, topic) = (kafka.clone(), args.topic.clone());
    tokio::task::spawn_blocking(move || check_topic(&asked, &topic)).await??;
    let sensors = Sensors::new(args.seed.unwrap_or_else(rand::random));
    let mut simulator = Simulator::new(&kafka, &args.topic, sensors)?;
    // Neither line is worth an end, where nobody reads them.
    let _ = writeln!(
        io::stderr(),
        "sending {} to topic {} of {}; Ctrl-C ends it",
        if args.rate > 0.0 { format!("{} readings a second", args.rate) } else { "readings at full speed".to_owned() },
        args.topic,
        kafka.bootstrap
    );
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{pos} readings sent")?);
    let (started, stop) = (Instant::now(), listen()?);
    let ran = simulator.run(args.rate, args.count, stop, |sent| progress.set_position(sent)).await;
    progress.finish_and_clear();
    let sent = simulator.finish().await;
    ran?;
    let (sent, seconds) = (sent?, started.elapsed().as_secs_f64());
    let _ = writeln!(io::stdout(), "sent {sent} readings to topic {} in {seconds:.1} s", args.topic);
    Ok(())
}

fn check_topic(kafka: &settings::Kafka, topic: &str) -> Result<()> {
    let admin = Admin::new(kafka)?;
    let partitions = admin.partitions(topic)?;
    ensure!(
        partitions.is_some(),
        "topic {topic:?} does not exist on Kafka at {}; create it, or submit a job that reads it with \
         `--create-source {topic}`{}",
        kafka.bootstrap,
        did_you_mean(topic, admin.topics().iter().map(String::as_str), '"')
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    #[test]
    fn a_rate_is_a_number_that_can_be_kept() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["-1", "NaN", "inf", "fast", "2e9"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_missing_topic_and_an_absent_broker_are_told() {
        let broker = MockCluster::new(1).unwrap();
        broker.create_topic("sensors", 1, 1).unwrap();
        let kafka = settings::Kafka { bootstrap: broker.bootstrap_servers(), ..settings::Kafka::default() };
        check_topic(&kafka, "sensors").unwrap();
        let missing = check_topic(&kafka, "nowhere").unwrap_err().to_string();
        assert!(missing.starts_with(r#"topic "nowhere" does not exist on Kafka at 127.0.0.1:"#), "{missing}");
        assert!(missing.ends_with("`--create-source nowhere`"), "{missing}");
        let slip = check_topic(&kafka, "sensor").unwrap_err().to_string();
        assert!(slip.ends_with("`--create-source sensor`; did you mean \"sensors\"?"), "{slip}");
        let nobody = settings::Kafka { bootstrap: "127.0.0.1:1".to_owned(), ..settings::Kafka::default() };
        let away = format!("{:#}", check_topic(&nobody, "sensors").unwrap_err());
        assert!(away.starts_with("failed to ask Kafka at 127.0.0.1:1 for topic \"sensors\": "), "{away}");
        assert!(away.matches("127.0.0.1:1").count() == 1 && away.matches("--kafka HOST:PORT").count() == 1, "{away}");
    }
}
