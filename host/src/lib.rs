//! Pelton as a library.

pub mod componentize;
