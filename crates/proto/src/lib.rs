//! The wire: code generated from top-level `proto/`, and conversions to and from `core`.
//!
//! Wire types stay in here and in the programs' gRPC modules; everything else speaks
//! `core`. A conversion that fails names the field.

/// The generated messages, clients and servers.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("selffer.v1");
}
