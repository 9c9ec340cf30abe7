//! `pelton demo` and `pelton simulate`: the article's sensors, and all that their readings go through, on this machine.

mod broker;
mod demo;
mod error;
mod host;
mod live;
mod sensors;
pub mod simulate;
mod simulator;
mod terminal;

pub use demo::{DemoArgs, run};
pub use error::Error;
pub use host::{DemoHost, Job};
pub use sensors::{Hundredths, Reading, Sensors};
pub use simulator::Simulator;
pub use terminal::Terminal;
