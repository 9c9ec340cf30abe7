//! A compacted topic refuses messages without a key, and the task dies with a CRC error or tries for ever:
//! <https://github.com/smallrye/smallrye-reactive-messaging/issues/2270>.

use crate::kafka::Record;
use crate::stage::{guest, require_stage};

#[test]
fn a_message_without_a_key_is_a_dead_letter_that_says_what_is_missing() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[]);
    stage.kafka.create_topic("alerts", 1, &[("cleanup.policy", "compact")]);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    stage.kafka.produce("sensors", &[Record::new("0").key("k"), Record::new("1"), Record::new("2").key("k")]);
    stage.wait_until_done("identity");
    assert_eq!(stage.alerts(), ["0", "2"]);
    let [(1, ref sink, ref error)] = stage.reasons("identity")[..] else { panic!("one letter") };
    assert_eq!(sink, "sink");
    assert!(error.contains("it has no key, and topic \"alerts\" takes none without one"), "{error}");
}
