//! Shards: the safetensors files of a pack; [`selffer_core::pack::Encoding`] has their forms.
//!
//! [`PackWriter`] writes them one after the other, each by any number of threads, so that a set
//! of any size can be imported; the reading side maps them. Labels come first.

mod done;
mod filled;
mod header;
#[allow(unsafe_code)] // the one module of this crate that maps files
mod map;
mod read;
mod slots;
mod write;

pub(crate) use done::{Outcome, PixelHash, pixel_hash};
pub(crate) use read::{Held, MappedShard};
pub(crate) use slots::ShardSlots;
pub(crate) use write::Window;
pub use write::{PackForm, PackWriter, SubsetImages, WrittenSubset};
