//! What is true regardless of machines: grids and their expansion, job identity, the
//! job's state machine, placement, limits, random streams, splits and class tables.
//!
//! Nothing here does I/O, reads a clock or draws ambient randomness; `now` and seeds are
//! parameters. Everything that decides lives here, so that it can be tested and simulated.

pub mod artifact;
pub mod brake;
pub mod cost;
pub mod election;
pub mod grid;
pub mod identity;
pub mod ids;
pub mod import;
pub mod interest;
pub mod job;
pub mod lease;
pub mod limits;
pub mod nearest;
pub mod network;
pub mod outcome;
pub mod pack;
pub mod placement;
pub mod plan;
pub mod poison;
pub mod proof;
pub mod quarantine;
pub mod recipe;
pub mod replay;
pub mod retry;
pub mod rollback;
pub mod shared;
pub mod spec;
pub mod split;
pub mod stall;
pub mod stream;
pub mod weights;
