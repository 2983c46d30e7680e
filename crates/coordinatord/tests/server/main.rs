//! The real `coordinatord` with a private PostgreSQL, over real sockets.
//!
//! Each test starts a coordinator of its own on free ports and a folder of its own, and
//! stops it in good order; tests have two threads, so that connections live on while one
//! waits for that. Workers here are calls, not programs: what a worker program
//! does is its own crate's matter.

// Everything here is test code, also outside the test functions that clippy knows.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod acts;
mod blame;
mod check;
mod checkpoints;
mod cuts;
mod dashboard;
mod deadlocks;
mod deletion;
mod external;
mod flow;
mod hang_ups;
mod harness;
mod hostile_chunks;
mod imports;
mod kills;
mod neighbours;
mod outages;
mod packs;
mod proofs;
mod rollback;
mod room;
mod sending;
mod slow;
mod stale;
mod start;
mod store_id;
mod tokens;
mod versions;
mod worker;

// What the tests of the three programs together use too.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../../tests/proxy.rs"]
mod proxy;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../../tests/small_disk.rs"]
mod small_disk;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../../tests/wait.rs"]
mod wait;
