//! A host that dies at any of its writes: what is desired afterwards is what was desired before or what was asked for.

use crate::catalog::Catalog;
use crate::catalog::memory::{Death, Memory};
use crate::record::JobRecord;
use pelton_delivery::clock::SystemClock;

use super::fake::{TestHost, eventually};
use crate::error::Error;
use crate::types::{Hold, Reload, Rollback, Scale, SetParameters};
use pelton_model::parallelism::Parallelism;

/// What a verb can change of a job; none where there is no job.
type Desired = Option<(u32, String, Vec<(String, String)>, usize, bool, usize)>;

fn desired(record: Option<JobRecord>) -> Desired {
    // One that is to end is as good as gone.
    let record = record.filter(|record| !record.cancelled)?;
    let JobRecord { version, digest, parameters, parallelism, paused, history, .. } = record;
    let parallelism = parallelism.number().unwrap_or(0);
    Some((version, digest, (*parameters).clone().into_iter().collect(), parallelism, paused, history.len()))
}

fn kept(catalog: &Memory) -> Desired {
    desired(catalog.beside().get("a").unwrap().map(|entry| entry.record))
}

type Verb = fn(&TestHost) -> Result<(), Error>;

/// A job's life.
const LIFE: [Verb; 9] = [
    |host| host.submit("a").map(drop),
    |host| host.jobs.scale("a", &Scale { parallelism: Parallelism::Of(3), force: false, by: None }).map(drop),
    |host| {
        let parameters = [("p".to_owned(), Some("7".to_owned()))].into();
        host.jobs.set("a", &SetParameters { parameters, force: false, by: None }).map(drop)
    },
    |host| {
        let digest = Some(host.upload("a", 2)?);
        host.jobs.reload("a", &Reload { digest, ..Reload::default() }).map(drop)
    },
    |host| host.jobs.pause("a", &Hold::default())?.wait(&SystemClock).map(drop),
    |host| host.jobs.rollback("a", &Rollback::default()).map(drop),
    |host| host.jobs.resume("a", &Hold::default()).map(drop),
    |host| host.jobs.cancel("a", None)?.wait(&SystemClock).map(drop),
    |host| host.submit("a").map(drop),
];

#[test]
fn a_crash_at_any_write_leaves_the_old_or_the_new_state() {
    let well = Memory::default();
    let host = TestHost::start(well.beside());
    let mut states = vec![None];
    for verb in LIFE {
        verb(&host).unwrap();
        states.push(kept(&well));
    }
    let writes = host.catalog.writes();
    host.stop();
    assert!(writes >= 12, "{writes} writes are too few for this test to see anything");

    for death in (0..writes).flat_map(|n| [Death::Before(n), Death::After(n)]) {
        let shared = Memory::default();
        let first = shared.beside();
        first.die(death);
        let host = TestHost::start(first);
        let failed = LIFE.iter().position(|verb| verb(&host).is_err() || host.catalog.is_dead());
        // What the last verb leaves to be written may come a moment later.
        let failed = failed.unwrap_or_else(|| {
            eventually(&format!("{death:?}: it dies"), || host.catalog.is_dead());
            LIFE.len() - 1
        });
        host.stop();
        let left = kept(&shared);
        let [old, new] = [&states[failed], &states[failed + 1]];
        assert!([old, new].contains(&&left), "{death:?} in verb {failed}: {left:?} is neither {old:?} nor {new:?}");

        // The next life has what was left, finishes what was begun, and all else can be done.
        let host = TestHost::start(shared.beside());
        eventually("what ends is gone", || shared.get("a").unwrap().is_none_or(|entry| !entry.record.cancelled));
        assert_eq!(kept(&shared), left, "{death:?}");
        assert_eq!(host.jobs.show("a").is_ok(), left.is_some(), "{death:?}");
        let rest = if left == *old { failed } else { failed + 1 };
        for verb in &LIFE[rest..] {
            verb(&host).unwrap();
        }
        assert_eq!(kept(&shared), states[LIFE.len()], "{death:?}");
        if let Some((version, ..)) = kept(&shared) {
            assert_eq!(host.flowing.current("a").get().0.number, version);
        }
        host.stop();
    }
}
