//! Content-addressed chunks: the bytes of packs and checkpoints, at rest and on the move.
//!
//! A chunk is stored under the digest of its bytes, at most once, and never changes. Bytes
//! are verified before they are stored and before anyone sees them. Which manifests exist
//! and who may see them is the business of `storage` and the coordinator.

mod bucket;
mod cut;
mod error;
mod folder;
mod place;
mod store;
mod writer;

pub use cut::{cut_bytes, cut_file, read_chunk_of_file};
pub use error::ArtifactError;
pub use folder::Room;
pub use place::{Place, PlaceError};
pub use store::ChunkStore;
pub use writer::ChunkFileWriter;
