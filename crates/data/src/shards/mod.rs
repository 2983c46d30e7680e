//! Shards: the safetensors files of a pack, `{labels: u32 [N], images: u8 [N, H, W, C]}`.
//!
//! [`PackWriter`] writes them as a stream, so that a set of any size can be imported;
//! the reading side maps them. Labels come first and everything is aligned to 8 bytes.

#[allow(unsafe_code)] // the one module of this crate that maps files
mod map;
mod read;
mod write;

pub(crate) use read::MappedShard;
pub use write::{PackWriter, SubsetImages};
