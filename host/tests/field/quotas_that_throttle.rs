//! A quota holds answers back, and the client takes the silence for a broker that is away, or its group takes it for
//! dead: <https://github.com/apache/kafka/pull/8290>, <https://github.com/dpkp/kafka-python/issues/2506>.

use std::time::{Duration, Instant};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::stage::{RUN, SETTINGS, committed, guest, require_stage};

/// A broker looks at the last ten seconds, so that ten times as much is let through at first.
const BYTES_A_SECOND: u32 = 50_000;
const RECORDS: usize = 1_500;
const SIZE: usize = 1_000;
/// What is beyond that takes at least so long.
const THROTTLED: Duration = Duration::from_secs(15);

#[ignore = "slow: the broker has clients wait"]
#[test]
fn a_throttled_job_goes_on_slowly_and_stays_in_its_group() {
    let stage = require_stage!();
    stage.topics(2);
    stage.kafka.limit("throttled", BYTES_A_SECOND);
    let records: Vec<_> = (0..RECORDS)
        .map(|n| Record::new(format!("{n:0SIZE$}")).key((n % 2).to_string()).partition((n % 2) as i32))
        .collect();
    // As Java's producers have it. (A batch that is larger than the quota of ten seconds no client ever gets.)
    stage.kafka.produce_with("sensors", &records, &[("batch.size", "16384")]);
    let settings = format!("[kafka.properties]\n\"client.id\" = \"throttled\"\n{SETTINGS}");
    let mut host = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(&settings);
    host.start();
    let began = Instant::now();
    host.submit(guest("identity"), &[]);
    let group = stage.watch("identity");
    eventually(RUN, "all is committed", || {
        let state = host.show("identity")["state"].clone();
        assert!(state == "running" || state == "starting", "{state}: {}", host.show("identity")["conditions"]);
        (committed(&group).iter().sum::<i64>() == RECORDS as i64).then_some(())
    });
    let took = began.elapsed();
    assert!(took >= THROTTLED, "nothing was throttled: {took:?}");
    let alerts = stage.kafka.read_all("alerts");
    for partition in 0..2 {
        let key = partition.to_string();
        let found: Vec<_> = alerts.iter().filter(|r| r.key.as_deref() == Some(key.as_bytes())).collect();
        let expected: Vec<_> = records.iter().filter(|r| r.partition == partition).collect();
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(&expected).all(|(found, expected)| found.value == expected.value), "out of order");
    }
    assert_eq!(stage.kafka.end_offsets("identity.dlq"), [0]);
    let log = host.log();
    assert!(log.matches("assigned ").count() == 1 && !log.contains("lost "), "it left its group");
}
