//! Image sets: importing them into packs, and reading packs; and networks' weights.
//!
//! A pack is a folder of `manifest.json` and safetensors shards of labels and of images, as
//! pixels or as JPEGs; [`selffer_core::pack`] describes it and names it by digest. [`import`]
//! makes packs, whole or not at all. [`Pack`] opens one, refuses what does not agree with its manifest, and maps its shards. [`select`] and
//! [`mean_image`] are what a network's training needs to know about its images.
//!
//! [`weights`] has the form in which a layer's weights rest, in checkpoints and in imported
//! weights, and imports weights that were trained elsewhere.
//!
//! Order, crops and mirrors of training images are the trainer's business.

mod bounded;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod import;
mod mean_image;
mod pack;
mod partial;
mod picture;
mod select;
pub mod shards;
pub mod weights;

pub use mean_image::mean_image;
pub use pack::{ImageBuffer, Images, Pack, PackError, read_manifest};
pub use partial::WriteError;
pub use picture::PictureError;
pub use select::{Selection, select};
