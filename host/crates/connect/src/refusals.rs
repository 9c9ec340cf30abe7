//! What is told of a sink that refuses one output after the other.

use pelton_delivery::streak::Streak;

/// For people: `what` has refused so many in a row, the last one of them for this reason. Where the sink is held that
/// one was too many. `last` is what it is and where its record stands, as in `a row of sensors/0/7`.
pub(crate) fn told(what: &str, streak: &Streak, is_held: bool, reason: &str, last: &str) -> String {
    let count = streak.length() + u32::from(is_held);
    let so = if is_held { "it is held, and nothing more becomes a dead letter" } else { "they are dead letters" };
    format!("{what}, {count} in a row, so {so}: {reason}, {last}")
}
