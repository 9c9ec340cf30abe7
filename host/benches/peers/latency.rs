//! How late alerts are, at a steady rate of readings.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pelton_demo::{Hundredths, Sensors};
use pelton_testkit::kafka;
use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::outputs::Outputs;
use super::{PARTITIONS, Peers, SINK, SOURCE};

const ARMS: [(&str, &str); 4] = [
    ("pelton-alerts", "Pelton, alerts"),
    ("flink-alerts", "Flink in Java, alerts"),
    ("pelton-rows", "Pelton, rows and alerts"),
    ("flink-rows", "Flink in Java, rows and alerts"),
];
/// How long readings are sent, and how much of it at first doesn't count.
const TIME: Duration = Duration::from_secs(20);
const WARM_UP: Duration = Duration::from_secs(5);

fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// Sends readings at a rate, each with the time at which it was due.
fn send(broker: &kafka::Kafka, rate: u64, seconds: u64) {
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).set("linger.ms", "0").create().unwrap();
    let began = Instant::now();
    let epoch = now_micros();
    let mut readings = Sensors::new(11);
    for number in 0..rate * seconds {
        let due = Duration::from_micros(number * 1_000_000 / rate);
        if let Some(early) = due.checked_sub(began.elapsed()) {
            std::thread::sleep(early);
        }
        let mut reading = readings.next().unwrap();
        // Every one of them is an alert, so that few are needed for the high percentiles.
        reading.temperature = Hundredths(35_00);
        reading.timestamp = chrono::DateTime::from_timestamp_micros(epoch + due.as_micros() as i64).unwrap();
        let value = reading.to_string();
        let mut record = BaseRecord::<[u8], [u8]>::to(SOURCE).payload(value.as_bytes());
        record.partition = Some((number % PARTITIONS as u64) as i32);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
}

/// The alerts that come: from their due times to their appends, milliseconds.
fn receive(broker: &kafka::Kafka, from: &[i64], count: u64) -> Vec<f64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "latency")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    for (partition, &offset) in (0..).zip(from) {
        partitions.add_partition_offset(SINK, partition, Offset::Offset(offset)).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let deadline = Instant::now() + super::PATIENCE;
    let mut first = None;
    let mut late = Vec::new();
    for _ in 0..count {
        let message = loop {
            assert!(Instant::now() < deadline, "{} of {count} alerts", late.len());
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                break message.unwrap();
            }
        };
        let alert: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let due = chrono::DateTime::parse_from_rfc3339(alert["timestamp"].as_str().unwrap()).unwrap();
        let due = due.timestamp_micros();
        if due - *first.get_or_insert(due) >= WARM_UP.as_micros() as i64 {
            // A broker's times have milliseconds, cut off: half of one is added.
            late.push(message.timestamp().to_millis().unwrap() as f64 + 0.5 - due as f64 / 1e3);
        }
    }
    late
}

/// The table for all arms and rates.
pub(crate) fn table(peers: &Peers, outputs: &mut Outputs) -> String {
    let rates = std::env::var("PELTON_BENCH_RATES").unwrap_or_else(|_| "1000,10000".to_owned());
    let rates: Vec<u64> = rates.split(',').map(|rate| rate.parse().unwrap()).collect();
    let mut text = String::from(
        "| readings a second | arm | p50, ms | p90 | p99 | p99.9 | most | CPU of its process, µs a record |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for rate in rates {
        for (arm, name) in ARMS {
            outputs.begin();
            let running = peers.start(arm, "latest");
            // Until it reads: what is sent before that is not read.
            let ready = Instant::now() + super::PATIENCE;
            while outputs.alerts() == 0 {
                assert!(Instant::now() < ready, "{arm} does not begin");
                send(&peers.broker, 10, 1);
            }
            std::thread::sleep(Duration::from_secs(1));
            let from = peers.broker.end_offsets(SINK);
            let cpu = running.cpu();
            let seconds = (TIME + WARM_UP).as_secs();
            let mut late = std::thread::scope(|scope| {
                scope.spawn(|| send(&peers.broker, rate, seconds));
                receive(&peers.broker, &from, rate * seconds)
            });
            let cpu = (running.cpu() - cpu) * 1e6 / (rate * seconds) as f64;
            late.sort_by(f64::total_cmp);
            let at = |part: f64| late[((late.len() - 1) as f64 * part) as usize];
            let line = format!(
                "| {rate} | {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {cpu:.1} |",
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                at(1.0)
            );
            eprintln!("{line}");
            writeln!(text, "{line}").unwrap();
        }
    }
    text
}
