//! The one module that draws randomness. Time comes from the database, or is measured on
//! the monotonic clock.

// Here and nowhere else: everything that asks this module can be replayed with other answers.
#![allow(clippy::disallowed_methods)]

use rand::RngCore;
use selffer_core::ids::CoordinatorId;
use uuid::Uuid;

/// 256 bits from the system's generator.
pub(crate) fn secret_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// Who this process is among the coordinators of its database.
pub(crate) fn coordinator_id() -> CoordinatorId {
    CoordinatorId(uuid())
}

/// The identity of a chunk store that has none yet.
pub(crate) fn store_id() -> String {
    uuid().to_string()
}

fn uuid() -> Uuid {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
