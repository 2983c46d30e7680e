//! The one module that draws randomness. Time comes from the database, or is measured on
//! the monotonic clock.

// Here and nowhere else: everything that asks this module can be replayed with other answers.
#![allow(clippy::disallowed_methods)]

use rand::RngCore;

/// 256 bits from the system's generator.
pub(crate) fn secret_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
