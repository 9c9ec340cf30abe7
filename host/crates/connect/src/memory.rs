//! Memory as a connector.

/// For now it takes nothing.
#[derive(Debug, Clone)]
pub struct Memory;
