//! Where outputs go. Each sink acknowledges to the delivery, never to the source.

pub mod kafka;
pub mod postgres;
