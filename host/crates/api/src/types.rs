//! What the API sends and takes, shared by the server and the command line.

pub use super::problem::Problem;
pub use super::recent::{JobFigures, RecentFigures};
pub use pelton_connect::letters::types as dead_letters;
pub use pelton_control::types::*;
