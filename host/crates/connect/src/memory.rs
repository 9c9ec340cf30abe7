//! Memory as a connector: topics, groups, tables and dead letters that are nowhere else, and whatever can go wrong with
//! them.
//!
//! It behaves as servers do, in the [clock](pelton_delivery::clock) that it is given. Members of a group share its
//! partitions and give them up one by one when others come; writers write a moment later, wait while a server is away,
//! and write nothing for a host that has crashed. Several hosts may share it: [`Memory::host`].

mod away;
mod connector;
mod dead_letters;
mod group;
mod letter_log;
mod source;
mod starts;
mod state;
mod table;
mod tables;
mod topic_log;
mod topics;
mod world;

pub use group::GroupView;
pub use state::{Record, Rules};
pub use table::Row;
pub use world::Memory;
