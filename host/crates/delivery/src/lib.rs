//! Delivery: what is in flight, and which offsets may be committed.
//!
//! Offsets move last: a [`Ledger`](ledger::Ledger) gives the end of the contiguous head that every sink has
//! acknowledged. A [`Delivery`](delivery::Delivery) is one batch on its way; a [`Budget`](budget::Budget) bounds the
//! bytes of all of them.

pub mod budget;
pub mod clock;
pub mod delivery;
pub mod fault;
pub mod ledger;
pub mod streak;
pub mod wake;
