//! What a component is known by.

use sha2::{Digest as _, Sha256};

/// SHA-256 of a component's bytes, in hexadecimal: what the component is known by.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
