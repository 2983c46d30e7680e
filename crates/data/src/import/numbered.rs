//! Sets whose images have one shape and numbers instead of names: the MNIST family, CIFAR.
//!
//! They are read one image after the other from a few files. What their readers open is
//! checked as far as headers and labels go; the rest shows while it is written. A file that
//! turns out to be damaged leaves nothing behind, but an import that was killed goes on.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use selffer_core::{identity::canonical_json, ids::Digest, pack::Class, spec::Half, spec::ImageShape};

use super::{
    Progress, Tell,
    listing::Skipped,
    report::{Finished, Imported, Told, finish},
};
use crate::{
    partial::WriteError,
    shards::{PackWriter, SubsetImages, WrittenSubset},
};

/// Progress is told after so many images.
const TELL_EVERY: u64 = 1_000;

/// A set with its labels read and its images to come.
pub struct NumberedSet<E> {
    pub(super) image: ImageShape,
    pub(super) classes: Vec<Class>,
    pub(super) groupings: BTreeMap<String, Vec<Half>>,
    /// All files that decide about the result.
    pub(super) files: Vec<PathBuf>,
    pub(super) train: NumberedSubset<E>,
    pub(super) validation: NumberedSubset<E>,
}

/// One subset of such a set.
pub(super) struct NumberedSubset<E> {
    /// Of each image; at least one.
    pub(super) labels: Vec<u32>,
    /// Fills the buffer with the pixels `[H, W, C]` of the next image; after the last one it
    /// also checks that nothing follows.
    pub(super) next_image: Box<NextImage<E>>,
}

type NextImage<E> = dyn FnMut(&mut [u8]) -> Result<(), E>;

impl<E: From<WriteError>> NumberedSet<E> {
    /// The class table.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Adds groupings; one of a name that is there already takes its place.
    pub fn add_groupings(&mut self, groupings: BTreeMap<String, Vec<Half>>) {
        self.groupings.extend(groupings);
    }

    /// What decides about the result: classes, groupings and the files, by name, length and
    /// time.
    ///
    /// # Errors
    /// A file is not there any more.
    pub fn key(&self) -> Result<Digest, WriteError> {
        let file = |path: &PathBuf| {
            let facts =
                file_facts(path).map_err(|source| WriteError::Source { path: path.clone(), source })?;
            Ok((path.file_name().map(|name| name.to_string_lossy().into_owned()), facts))
        };
        let files = self.files.iter().map(file).collect::<Result<Vec<_>, WriteError>>()?;
        let text =
            canonical_json(&("selffer.numbered/v1", self.image, &self.classes, &self.groupings, files));
        Ok(Digest::of(text.as_bytes()))
    }

    /// Imports the set into a new pack at `out`.
    ///
    /// # Errors
    /// A file is not what it should be, with the place, or `out` cannot be written.
    pub fn import(mut self, out: &Path, tell: Tell<'_>) -> Result<Imported, E> {
        let key = self.key()?;
        let mut writer = PackWriter::resume(out, self.image, key)?;
        let classes = self.classes.len();
        let train = self.train.write("train", &mut writer, (self.image, classes), tell)?;
        let validation = self.validation.write("validation", &mut writer, (self.image, classes), tell)?;
        let Self { classes, groupings, .. } = self;
        let finished = Finished { key, classes, groupings, skipped: Skipped::default() };
        let train = Told {
            written: &train,
            labels: &self.train.labels,
            name: &|index| format!("train image {index}"),
        };
        let validation = Told {
            written: &validation,
            labels: &self.validation.labels,
            name: &|index| format!("validation image {index}"),
        };
        Ok(finish(writer, finished, &train, &validation)?)
    }
}

impl<E: From<WriteError>> NumberedSubset<E> {
    fn write(
        &mut self,
        name: &'static str,
        writer: &mut PackWriter,
        (image, class_count): (ImageShape, usize),
        tell: Tell<'_>,
    ) -> Result<WrittenSubset, E> {
        let images_total = self.labels.len() as u64;
        let image_bytes = image.bytes() as u64;
        let at = |images_done| Progress {
            subset: name,
            images_done,
            images_resumed: 0,
            images_total,
            bytes_done: images_done * image_bytes,
            bytes_total: images_total * image_bytes,
        };
        tell(at(0));
        let mut done = 0;
        let mut next_image = |pixels: &mut [u8]| {
            (self.next_image)(pixels)?;
            done += 1;
            if done % TELL_EVERY == 0 || done == images_total {
                tell(at(done));
            }
            Ok::<(), E>(())
        };
        writer.write_subset(SubsetImages {
            name,
            labels: &self.labels,
            class_count,
            next_image: &mut next_image,
        })
    }
}

/// Length of a file, and when it was last changed in nanoseconds since 1970; 0 where the file
/// system does not say or it was before.
fn file_facts(path: &Path) -> io::Result<(u64, u64)> {
    let facts = fs::metadata(path)?;
    let since = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let modified_ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
    Ok((facts.len(), modified_ns))
}
