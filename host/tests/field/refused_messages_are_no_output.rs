//! Counters of a sink that count what the broker has refused: what went in never adds up with what is in the topic:
//! <https://github.com/confluentinc/kafka-rest/issues/586>.

use crate::kafka::Record;
use crate::stage::{guest, require_stage};

#[test]
fn out_is_what_is_in_the_topic() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[]);
    stage.kafka.create_topic("alerts", 1, &[("cleanup.policy", "compact")]);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    let records: Vec<_> = (0..2_017)
        .map(|n| if n == 1_000 { Record::new("lost") } else { Record::new(n.to_string()).key(n.to_string()) })
        .collect();
    stage.kafka.produce("sensors", &records);
    stage.wait_until_done("identity");
    assert_eq!(stage.alerts().len(), 2_016);
    let view = host.show("identity");
    let sink = &view["counts"]["sinks"][0];
    let bytes: usize = (0..2_017).filter(|&n| n != 1_000).map(|n: usize| 2 * n.to_string().len()).sum();
    assert_eq!((sink["records_out"].as_u64(), sink["bytes_out"].as_u64()), (Some(2_016), Some(bytes as u64)), "{view}");
    assert_eq!(host.metric("pelton_records_out_total", &[]), Some(2_016.0));
    assert_eq!(host.metric("pelton_dead_letters_total", &[("stage", "sink")]), Some(1.0));
}
