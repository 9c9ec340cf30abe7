//! Deleting components that nothing refers to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use pelton_delivery::wake::Wake;

use crate::services::Services;

/// How often components are looked through that nothing refers to, and how long they are kept: they may be submitted
/// yet.
const SWEEP: Duration = Duration::from_secs(24 * 3600);
const UNUSED: Duration = Duration::from_secs(24 * 3600);

/// Deletes them now and once a day, until the host has ended.
pub(crate) fn start(services: &Arc<Services>) -> Result<()> {
    let (clock, weak) = (Arc::clone(services.clock()), Arc::downgrade(services));
    let waits = Arc::clone(&clock);
    clock.spawn(
        "sweep",
        Box::new(move || {
            let wake = Wake::default();
            while let Some(services) = weak.upgrade() {
                sweep(&services);
                drop(services);
                waits.wait(&wake, SWEEP);
            }
        }),
    )?;
    Ok(())
}

fn sweep(services: &Services) {
    let before = SystemTime::from(services.clock().date()).checked_sub(UNUSED).unwrap_or(SystemTime::UNIX_EPOCH);
    match services.catalog.sweep(before) {
        Ok(0) => {}
        Ok(count) => tracing::info!("deleted {count} components that no job refers to"),
        Err(error) => tracing::warn!("components that no job refers to are not deleted: {error}"),
    }
}
