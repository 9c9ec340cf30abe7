//! Partitions that are added to a topic are read only after minutes, or after a restart:
//! <https://github.com/ClickHouse/ClickHouse/issues/35963>.

use std::time::{Duration, Instant};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::stage::{guest, require_stage};

const DOCUMENTED: Duration = Duration::from_secs(30);

#[ignore = "slow: clients ask for new partitions every 15 s"]
#[test]
fn partitions_that_are_added_are_read_within_half_a_minute() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    stage.kafka.produce("sensors", &[Record::new("old")]);
    stage.wait_until_done("identity");
    for count in 2..=4 {
        let began = Instant::now();
        stage.kafka.add_partitions("sensors", count);
        let new = i32::try_from(count).unwrap() - 1;
        stage.kafka.produce("sensors", &[Record::new(format!("of {new}")).partition(new)]);
        eventually(DOCUMENTED, "the record of the new partition has come", || {
            (stage.kafka.end_offsets("alerts") == [i64::from(new) + 1]).then_some(())
        });
        eprintln!("partition {new} was read after {:?}", began.elapsed());
    }
}
