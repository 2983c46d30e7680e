//! The store against a real PostgreSQL: one private server for the whole binary, a fresh
//! database for each test, invariants checked at the end of each.

// Helpers of tests are tests; clippy's exception ends at `#[test]`.
#![allow(clippy::unwrap_used)]

mod audit;
mod blame;
mod checkpoints;
mod chunk_store;
mod claims;
mod completion;
mod curves_and_logs;
mod deletion;
mod dropped;
mod election;
mod extending;
mod harness;
mod histories;
mod holds;
mod imports;
mod lost_sources;
mod packs;
mod plans;
mod private_server;
mod quota;
mod rollback;
mod schema;
mod sessions;
mod set_aside;
mod sharing;
mod slow;
mod submissions;
mod terms;
mod views;

#[path = "../../../core/tests/simulation/model/mod.rs"]
#[allow(dead_code, unused_imports, reason = "core's simulation uses the rest")]
mod model;
#[path = "../../../core/tests/simulation/random.rs"]
#[allow(dead_code, unused_imports, reason = "core's simulation uses the rest")]
mod random;
