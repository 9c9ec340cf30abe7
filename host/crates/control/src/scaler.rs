//! Looking at the load of all jobs, and adapting the number of instances of those of automatic parallelism.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use pelton_delivery::wake::Wake;

use crate::reconciler::Reconciler;
use crate::scaling::Room;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// Looks once a second, until the host has ended.
pub(crate) fn start(reconciler: &Arc<Reconciler>) -> Result<()> {
    let (clock, weak) = (Arc::clone(reconciler.services.clock()), Arc::downgrade(reconciler));
    let waits = Arc::clone(&clock);
    clock.spawn(
        "scale",
        Box::new(move || {
            let wake = Wake::default();
            while let Some(reconciler) = weak.upgrade() {
                if reconciler.is_closed() {
                    return;
                }
                look(&reconciler);
                drop(reconciler);
                waits.wait(&wake, LOOK);
            }
        }),
    )?;
    Ok(())
}

fn look(reconciler: &Reconciler) {
    let jobs = reconciler.all();
    let most = reconciler.services.auto_instances();
    let mut at_work: usize = jobs.iter().map(|job| job.measure()).sum();
    // The one with the most instances; of several the first.
    let largest = jobs.iter().rev().filter(|job| job.is_automatic()).max_by_key(|job| job.instances());
    let largest = largest.map(|job| job.observed.name.clone());
    for job in jobs.iter().filter(|job| job.is_automatic()) {
        let is_crowded = at_work > most && largest.as_ref() == Some(&job.observed.name);
        let before = job.instances();
        job.adapt(Room { most, is_spare: at_work < most, is_crowded });
        at_work += job.instances().saturating_sub(before);
    }
}
