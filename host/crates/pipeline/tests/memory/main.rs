//! The pipeline on memory, in virtual time: no broker, no database, no sleep.

mod dead_letters;
mod failing;
mod moving;
mod outages;
mod rig;
mod whole;
