//! The store against a real PostgreSQL: one private server for the whole binary, a fresh
//! database for each test, invariants checked at the end of each.

// Helpers of tests are tests; clippy's exception ends at `#[test]`.
#![allow(clippy::unwrap_used)]

mod checkpoints;
mod claims;
mod completion;
mod curves_and_logs;
mod harness;
mod invariants;
mod packs;
mod private_server;
mod schema;
mod sessions;
mod submissions;
mod views;
