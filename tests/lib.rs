//! What the system tests share: a fleet of the real programs in a folder of its own, ways to
//! kill them, to have them started again and to cut them off, what must hold whatever happened, a small image
//! set, and waiting for conditions.

pub mod fleet;
pub mod images;
pub mod invariants;
pub mod keeper;
pub mod machine;
pub mod person;
pub mod process;
pub mod proxy;
pub mod s3_server;
pub mod schedule;
pub mod sight;
pub mod small_disk;
pub mod uploads;
pub mod wait;
