//! One job's flow.

pub mod ack;
