//! The worker daemon: leases jobs, trains each in a child process, uploads what comes out.
//!
//! The daemon owns sessions, leases and files; the child owns the training. Which job runs
//! where, and what follows from a failure, the coordinator decides.

pub mod ambient;
pub mod assemble;
pub mod assignment;
pub mod at_hand;
pub mod attempt;
pub mod bench;
pub mod cache;
pub mod calls;
pub mod child;
pub mod config;
pub mod daemon;
pub mod data_folders;
pub mod device;
pub mod ending;
pub mod fetch;
pub mod folder;
pub mod gather;
pub mod heartbeat;
pub mod inputs;
pub mod intermediates;
pub mod lease;
pub mod log_sender;
pub mod logs;
pub mod memory;
pub mod points;
pub mod protocol;
pub mod reclaim;
pub mod replay;
pub mod saver;
pub mod scratch;
pub mod session;
#[cfg(test)]
mod small_packs;
pub mod soundness;
pub mod stop;
pub mod teller;
pub mod telling;
pub mod trainer;
pub mod trainer_lock;
pub mod training;
pub mod twins;
pub mod uploads;
pub mod voice;
