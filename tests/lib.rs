//! What the system tests share: a fleet of the real programs in a folder of its own, a
//! small image set, and waiting for conditions.

pub mod fleet;
pub mod images;
pub mod process;
pub mod wait;
