//! Writing packs: whole or not at all, and where a key was given, in as many goes as it takes.
//!
//! The same images give the same bytes, and with them the same digest, on every machine and for
//! any number of threads: which images a shard is for depends on their number and shape alone.

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::resume_unwind,
    path::Path,
    thread::{self, ScopedJoinHandle},
};

use selffer_core::{
    identity::canonical_json,
    ids::Digest,
    pack::{Class, Encoding, MANIFEST_FILE, PackManifest, Preparation, SCHEMA, Subset},
    spec::{Half, ImageShape},
};

use super::{
    done::{DoneShard, Outcome, pixel_hash},
    filled::FilledShard,
    slots::ShardSlots,
};
use crate::partial::{Partial, WriteError};

/// A shard's images and labels as they are, in bytes at most; its header comes on top.
const SHARD_BYTES_MAX: u64 = (64 << 20) - 4096;

/// A pack in the making; dropped before [`PackWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct PackWriter {
    form: PackForm,
    partial: Partial,
    /// Files of ours that are no part of the pack.
    notes: Vec<String>,
}

/// What is the same of all images of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackForm {
    /// Their shape.
    pub image: ImageShape,
    /// What was done to make them so.
    pub preparation: Option<Preparation>,
    /// How they rest.
    pub encoding: Encoding,
}

impl From<ImageShape> for PackForm {
    /// Images that had their shape, as they are.
    fn from(image: ImageShape) -> Self {
        Self { image, preparation: None, encoding: Encoding::Pixels }
    }
}

/// The images of a subset as an importer has them that reads them one after the other.
pub struct SubsetImages<'a, E> {
    /// `train` or `validation`; names the shards.
    pub name: &'static str,
    /// The label of each image; each is below `class_count`.
    pub labels: &'a [u32],
    /// How many classes there are.
    pub class_count: usize,
    /// Fills the buffer with the pixels `[H, W, C]` of the next image.
    pub next_image: &'a mut dyn FnMut(&mut [u8]) -> Result<(), E>,
}

/// A subset that was written.
#[derive(Debug)]
pub struct WrittenSubset {
    /// What the manifest says of it.
    pub subset: Subset,
    /// What became of each image.
    pub(crate) outcomes: Vec<Outcome>,
}

/// Which images are wanted next.
pub(crate) enum Window<'a> {
    /// These, in the shard's places from 0 on.
    Fill(Range<usize>, &'a ShardSlots),
    /// Not these: they are there already, and this became of them.
    Skip(Range<usize>, &'a [Outcome]),
}

impl WrittenSubset {
    /// One of no shards yet.
    fn of(class_count: usize, images: usize) -> Self {
        let subset = Subset { images_per_class: vec![0; class_count], shards: Vec::new() };
        Self { subset, outcomes: Vec::with_capacity(images) }
    }

    /// Adds its next shard; `labels` are those of all images.
    fn add(&mut self, labels: &[u32], done: DoneShard) {
        for (&label, outcome) in labels[self.outcomes.len()..].iter().zip(&done.outcomes) {
            self.subset.images_per_class[label as usize] += u64::from(outcome.is_written());
        }
        self.subset.shards.extend(done.shard);
        self.outcomes.extend(done.outcomes);
    }
}

impl PackWriter {
    /// Begins a pack that will be at `out`, where nothing may be.
    ///
    /// # Errors
    /// `out` exists, another process writes there, or the disk refuses.
    pub fn create(out: &Path, form: impl Into<PackForm>) -> Result<Self, WriteError> {
        Ok(Self { form: form.into(), partial: Partial::create(out)?, notes: Vec::new() })
    }

    /// The same, going on after the shards that an import of the same key finished.
    ///
    /// # Errors
    /// As [`PackWriter::create`].
    pub fn resume(out: &Path, form: impl Into<PackForm>, key: Digest) -> Result<Self, WriteError> {
        Ok(Self { form: form.into(), partial: Partial::resume(out, key)?, notes: Vec::new() })
    }

    /// Whatever ends the import from here on, finished shards stay for the next one.
    pub(crate) fn keep(&mut self) {
        self.partial.keep();
    }

    /// Writes one subset's shards, in order.
    ///
    /// # Errors
    /// What `next_image` answers, or what the disk refuses.
    pub fn write_subset<E: From<WriteError>>(
        &mut self,
        subset: SubsetImages<'_, E>,
    ) -> Result<WrittenSubset, E> {
        let SubsetImages { name, labels, class_count, next_image } = subset;
        let mut pixels = vec![0; self.form.image.bytes()];
        self.write_windows((name, labels, class_count), &mut |window| {
            let (range, slots) = match window {
                Window::Fill(range, slots) => (range, Some(slots)),
                Window::Skip(range, _) => (range, None),
            };
            let mut outcomes = Vec::with_capacity(range.len());
            for slot in 0..range.len() {
                next_image(&mut pixels)?;
                if let Some(slots) = slots {
                    slots.put(slot, &pixels)?;
                    outcomes.push(Outcome::Written(pixel_hash(&pixels)));
                }
            }
            Ok(outcomes)
        })
    }

    /// Writes one subset's shards: `fill` gets a window for each, in order, and answers what
    /// became of its images (nothing, of those to be skipped).
    pub(crate) fn write_windows<E: From<WriteError>>(
        &mut self,
        (name, labels, class_count): (&str, &[u32], usize),
        fill: &mut dyn FnMut(Window<'_>) -> Result<Vec<Outcome>, E>,
    ) -> Result<WrittenSubset, E> {
        let images_per_shard = (SHARD_BYTES_MAX / (self.form.image.bytes() as u64 + 4)).max(1) as usize;
        let Self { form, partial, notes } = self;
        let partial = &*partial;
        let mut written = WrittenSubset::of(class_count, labels.len());
        // A shard is sealed while the next one is filled: its way to the disk keeps nobody from
        // decoding. One at a time, so that memory has a bound and what is done stands in order.
        thread::scope(|scope| {
            let mut sealing: Option<ScopedJoinHandle<'_, _>> = None;
            for (index, shard_labels) in labels.chunks(images_per_shard).enumerate() {
                let name = format!("{name}-{index:05}");
                let first = index * images_per_shard;
                let reached = reach(&name, shard_labels, first, (*form, partial), fill)?;
                notes.push(note_of(&name));
                if let Some(earlier) = sealing.take() {
                    written.add(labels, joined(earlier)?);
                }
                match reached {
                    Reached::Done(done) => written.add(labels, done),
                    Reached::Filled(shard) => sealing = Some(scope.spawn(|| shard.seal(partial))),
                }
            }
            if let Some(last) = sealing {
                written.add(labels, joined(last)?);
            }
            Ok(written)
        })
    }

    /// Writes a file that lies beside the pack's own and is no part of it.
    pub(crate) fn write_beside(&self, file: &str, bytes: &[u8]) -> Result<(), WriteError> {
        self.partial.write(file, bytes)
    }

    /// Writes the manifest and puts the pack in its place, to stay there after a power cut.
    ///
    /// # Errors
    /// The disk refuses, or something came to be at the target meanwhile.
    pub fn finish(
        self,
        classes: Vec<Class>,
        groupings: BTreeMap<String, Vec<Half>>,
        train: Subset,
        validation: Subset,
    ) -> Result<PackManifest, WriteError> {
        let PackForm { image, preparation, encoding } = self.form;
        let schema = SCHEMA.to_owned();
        let manifest =
            PackManifest { schema, image, preparation, encoding, classes, groupings, train, validation };
        self.partial.write(MANIFEST_FILE, canonical_json(&manifest).as_bytes())?;
        self.partial.finish(&self.notes)?;
        Ok(manifest)
    }
}

/// How far a shard is when its window was passed.
enum Reached<'a> {
    /// An earlier import finished it.
    Done(DoneShard),
    /// All its images came now.
    Filled(FilledShard<'a>),
}

/// Has the shard filled that begins with image `first`, unless it is there already.
fn reach<'a, E: From<WriteError>>(
    name: &str,
    labels: &'a [u32],
    first: usize,
    (form, partial): (PackForm, &Partial),
    fill: &mut dyn FnMut(Window<'_>) -> Result<Vec<Outcome>, E>,
) -> Result<Reached<'a>, E> {
    let (file, note) = (format!("{name}.safetensors"), note_of(name));
    let range = first..first + labels.len();
    if let Some(done) = DoneShard::read(&partial.path(&note), partial.folder(), labels.len()) {
        fill(Window::Skip(range, &done.outcomes))?;
        return Ok(Reached::Done(done));
    }
    let slots = ShardSlots::create(&partial.path(&file), labels.len(), form)?;
    let outcomes = fill(Window::Fill(range, &slots))?;
    Ok(Reached::Filled(FilledShard { file, note, slots, labels, outcomes }))
}

/// The file of the note on a finished shard.
fn note_of(name: &str) -> String {
    format!("{name}.done")
}

/// What a thread answered; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
