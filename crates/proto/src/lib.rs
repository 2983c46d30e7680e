//! The wire: code generated from top-level `proto/`, conversions to and from `core`, and
//! what every client needs to connect.
//!
//! Wire types stay in here and in the programs' gRPC modules; everything else speaks
//! `core`. A conversion that fails names the field.

pub mod client;
pub mod convert;

/// The generated messages, clients and servers.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("selffer.v1");
}

/// The version of the wire; a session of another one is refused.
pub const PROTOCOL_VERSION: u32 = 2;

/// All messages and services, as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
