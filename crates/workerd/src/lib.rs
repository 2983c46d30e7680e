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
pub mod deadline;
pub mod device;
pub mod ending;
pub mod evidence;
pub mod fetch;
pub mod folder;
pub mod gather;
pub mod group;
pub mod heartbeat;
pub mod idle;
pub mod inputs;
pub mod intermediates;
pub mod lease;
pub mod leases;
pub mod log_file;
pub mod log_sender;
pub mod logs;
pub mod lost;
pub mod memory;
pub mod planted;
pub mod points;
pub mod progress;
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
pub mod threads;
pub mod trainer;
pub mod trainer_lock;
pub mod training;
pub mod twins;
pub mod unsent;
pub mod uploads;
pub mod voice;
pub mod worker;
