//! Moving: see the delivery crate.

pub use pelton_delivery::budget::Budget;
pub use pelton_delivery::delivery::Delivery;
pub use pelton_delivery::ledger::Ledger;
pub use pelton_model::sync::lock;
