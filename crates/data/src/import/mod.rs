//! Importing: image sets as others publish them, into packs.
//!
//! One file per format. An import checks everything it can count, and leaves a whole pack
//! or nothing.

mod class_names;
pub mod idx;

pub use class_names::known_class_names;

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// `train` or `validation`.
    pub subset: &'static str,
    /// Images of that subset written so far.
    pub images_done: u64,
    /// Images of that subset in all.
    pub images_total: u64,
}
