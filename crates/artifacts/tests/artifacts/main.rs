//! The chunk store over what people have: a folder of a real disk, and a bucket of a real
//! server that speaks S3 (moto, which `deploy/dev/s3-server` brings).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod away;
mod backends;
mod full_disks;
mod s3_server;
mod small_disk;
mod store;
