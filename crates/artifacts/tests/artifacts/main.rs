//! The chunk store over what people have: a folder of a real disk, and a bucket of a real
//! server that speaks S3 (moto, which `deploy/dev/s3-server` brings).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod away;
mod backends;
mod full_disks;
mod s3_server;
mod store;

// What other tests use too.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../../tests/small_disk.rs"]
mod small_disk;
