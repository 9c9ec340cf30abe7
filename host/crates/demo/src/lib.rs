//! `pelton demo` and `pelton simulate`: the article's sensors, and all that their readings go through, on this machine.

mod sensors;

pub use sensors::{Hundredths, Reading, Sensors};
