//! One record on which a job breaks costs that record: no other is lost, repeated or out of order, however many came
//! along with it.

use crate::kafka::Record;
use crate::stage::{guest, require_stage};

const RECORDS: usize = 1_000_000;
const POISONED: usize = 654_321;

#[ignore = "slow: a million records"]
#[test]
fn the_rest_of_a_million_arrives_and_the_letter_names_its_offset() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("trap_on_marker"), &[]);
    host.wait_until_ready();
    let value = |n: usize| if n == POISONED { format!("{n} TRAP") } else { n.to_string() };
    let records: Vec<_> = (0..RECORDS).map(|n| Record::new(value(n))).collect();
    stage.kafka.produce("sensors", &records);
    drop(records);
    stage.wait_until_done("trap_on_marker");
    let mut expected = (0..RECORDS).filter(|&n| n != POISONED);
    let mut count = 0;
    for alert in stage.kafka.read_all("alerts") {
        assert_eq!(Some(alert.text().parse().unwrap()), expected.next());
        count += 1;
    }
    assert_eq!(count, RECORDS - 1);
    let letters = stage.reasons("trap_on_marker");
    let [(offset, stage_of, error)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((*offset, stage_of.as_str()), (POISONED as i64, "guest"));
    assert!(error.contains("a value contains TRAP"), "{error}");
    assert_eq!(host.show("trap_on_marker")["state"], "running");
}
