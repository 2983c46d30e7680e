//! Importing pictures: whatever a listing names is decoded, made square and written.
//!
//! All threads work, each on one picture at a time, and put the result straight into its place
//! in the shard, so that memory does not grow with the set. A picture that cannot be decoded
//! is left out and told; more of them than allowed end the import. Shards that are finished
//! stay, whatever ends it: the same import goes on after them.

mod meter;

use std::{
    error::Error,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, prelude::*};
use selffer_core::{
    identity::canonical_json,
    ids::Digest,
    pack::{Encoding, Preparation},
    spec::ImageShape,
};

use self::meter::Meter;
use super::{
    Tell,
    listing::{Entry, Listing, ReadError},
    report::{Finished, Imported, RefusedPicture, Told, finish, refused_of},
};
use crate::{
    partial::WriteError,
    picture::Preparer,
    shards::{Outcome, PackForm, PackWriter, ShardSlots, Window, WrittenSubset, pixel_hash},
};

/// An import does not end for fewer undecodable pictures than this before all were seen.
const REFUSED_EARLY_MIN: u64 = 100;

/// Grows with every change of a decoder, of resampling or of the coder that changes any pixel or
/// byte: what was begun before is not gone on with.
const PIXELS_VERSION: u32 = 1;

/// How pictures are imported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureOptions {
    /// What is done to each.
    pub preparation: Preparation,
    /// How the shards hold them.
    pub encoding: Encoding,
    /// The share of pictures that may be left out because they cannot be decoded, 0..=1.
    pub refused_max: f64,
    /// Threads to work with, at least 1; the result does not depend on it.
    pub threads: usize,
}

impl PictureOptions {
    /// Whether so many of so many pictures may be left out.
    #[must_use]
    pub fn allows(&self, refused: u64, pictures: u64) -> bool {
        refused as f64 <= self.refused_max * pictures as f64
    }
}

/// Why pictures are not imported.
#[derive(Debug, thiserror::Error)]
pub enum PicturesError {
    /// Too many cannot be decoded.
    #[error(
        "{} of the {pictures} {subset} pictures looked at cannot be decoded, more than {:.4} %",
        .refused.len(),
        .refused_max * 100.0
    )]
    TooManyRefused {
        /// `train` or `validation`.
        subset: &'static str,
        /// All of them.
        refused: Vec<RefusedPicture>,
        /// How many pictures were looked at.
        pictures: u64,
        /// As allowed.
        refused_max: f64,
    },
    /// None of a class is left.
    #[error("class {class:?} has no {subset} picture that can be decoded")]
    ClassWithout {
        /// Its name.
        class: String,
        /// `train` or `validation`.
        subset: &'static str,
    },
    /// The source changed, or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The pack cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No threads.
    #[error("cannot start {threads} threads")]
    Threads {
        /// As asked for.
        threads: usize,
        /// Why.
        #[source]
        source: ThreadPoolBuildError,
    },
}

/// What decides about the result of such an import.
#[must_use]
pub fn key(listing: &Listing, options: &PictureOptions) -> Digest {
    let text = canonical_json(&("selffer.pictures", PIXELS_VERSION, options.preparation, options.encoding));
    let listing = listing.fingerprint().to_string();
    Digest::of(format!("{text}{listing}").as_bytes())
}

/// Imports the listed pictures into a new pack at `out`.
///
/// # Errors
/// Too many cannot be decoded, the source changes meanwhile, or `out` cannot be written.
pub fn import(
    listing: &Listing,
    options: &PictureOptions,
    out: &Path,
    tell: Tell<'_>,
) -> Result<Imported, PicturesError> {
    let Preparation { side, channels, .. } = options.preparation;
    let image = ImageShape { height: side, width: side, channels: channels.count() };
    let form = PackForm { image, preparation: Some(options.preparation), encoding: options.encoding };
    let key = key(listing, options);
    let mut writer = PackWriter::resume(out, form, key)?;
    writer.keep();
    let threads = options.threads.max(1);
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| PicturesError::Threads { threads, source })?;
    let tell = Mutex::new(tell);
    let importing = Importing { listing, options, image, pool: &pool, tell: &tell };
    let (train_labels, train) = importing.subset("train", &mut writer, &listing.train)?;
    let (validation_labels, validation) = importing.subset("validation", &mut writer, &listing.validation)?;
    let finished = Finished {
        key,
        classes: listing.classes.clone(),
        groupings: listing.groupings.clone(),
        skipped: listing.skipped.clone(),
    };
    let train =
        Told { written: &train, labels: &train_labels, name: &|index| listing.train[index].name.to_string() };
    let validation = Told {
        written: &validation,
        labels: &validation_labels,
        name: &|index| listing.validation[index].name.to_string(),
    };
    Ok(finish(writer, finished, &train, &validation)?)
}

/// An import that is going on.
struct Importing<'a, 't> {
    listing: &'a Listing,
    options: &'a PictureOptions,
    image: ImageShape,
    pool: &'a ThreadPool,
    tell: &'a Mutex<Tell<'t>>,
}

/// What one thread works with.
struct Bench {
    preparer: Preparer,
    encoded: Vec<u8>,
    pixels: Vec<u8>,
}

impl Importing<'_, '_> {
    fn subset(
        &self,
        name: &'static str,
        writer: &mut PackWriter,
        entries: &[Entry],
    ) -> Result<(Vec<u32>, WrittenSubset), PicturesError> {
        let meter = Meter::start(name, entries, self.tell);
        let labels: Vec<u32> = entries.iter().map(|entry| entry.label).collect();
        let benches: Vec<Mutex<Bench>> =
            (0..self.pool.current_num_threads()).map(|_| Mutex::new(self.bench())).collect();
        let mut refused = Vec::new();
        let mut fill = |window: Window<'_>| match window {
            Window::Skip(range, outcomes) => {
                let entries = &entries[range];
                meter.resumed(entries);
                refused.extend(refused_of(outcomes, |index| entries[index].name.to_string()));
                Ok(Vec::new())
            }
            Window::Fill(range, slots) => {
                let wanted = &entries[range.clone()];
                let outcomes = self.pool.install(|| self.fill(wanted, slots, (&benches, &meter)))?;
                refused.extend(refused_of(&outcomes, |index| wanted[index].name.to_string()));
                // An import that cannot succeed any more ends, if it is more than a few.
                let count = refused.len() as u64;
                if count >= REFUSED_EARLY_MIN && !self.options.allows(count, entries.len() as u64) {
                    return Err(self.too_many(name, std::mem::take(&mut refused), range.end as u64));
                }
                Ok(outcomes)
            }
        };
        let classes = self.listing.classes.len();
        let written = writer.write_windows::<PicturesError>((name, &labels, classes), &mut fill)?;
        meter.tell();
        self.check(name, &written, refused)?;
        Ok((labels, written))
    }

    fn bench(&self) -> Bench {
        let pixels = vec![0; self.image.bytes()];
        Bench { preparer: Preparer::new(self.options.preparation), encoded: Vec::new(), pixels }
    }

    /// Fills one shard, in any order.
    fn fill(
        &self,
        entries: &[Entry],
        slots: &ShardSlots,
        (benches, meter): (&[Mutex<Bench>], &Meter<'_, '_>),
    ) -> Result<Vec<Outcome>, PicturesError> {
        let one = |(slot, entry): (usize, &Entry)| {
            let thread = rayon::current_thread_index().unwrap_or(0);
            // Nobody else takes this thread's; a panic of its last holder leaves nothing wrong.
            let mut bench = benches[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let Bench { preparer, encoded, pixels } = &mut *bench;
            let outcome = match self.read_and_prepare(entry, (preparer, encoded, pixels))? {
                Ok(()) => {
                    slots.put(slot, pixels)?;
                    Outcome::Written(pixel_hash(pixels))
                }
                Err(reason) => Outcome::Refused(reason),
            };
            meter.done(std::slice::from_ref(entry));
            Ok(outcome)
        };
        entries.par_iter().enumerate().map(one).collect()
    }

    /// Makes one picture an image; the inner error is the picture's own fault.
    fn read_and_prepare(
        &self,
        entry: &Entry,
        (preparer, encoded, pixels): (&mut Preparer, &mut Vec<u8>, &mut [u8]),
    ) -> Result<Result<(), String>, PicturesError> {
        match self.listing.read(entry, encoded) {
            Ok(()) => Ok(preparer.prepare(encoded, pixels).map_err(|error| with_causes(&error))),
            // Nothing was read of it, and reading it again would give no more.
            Err(error @ ReadError::TooLong { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    fn check(
        &self,
        subset: &'static str,
        written: &WrittenSubset,
        refused: Vec<RefusedPicture>,
    ) -> Result<(), PicturesError> {
        let pictures = written.outcomes.len() as u64;
        if !self.options.allows(refused.len() as u64, pictures) {
            return Err(self.too_many(subset, refused, pictures));
        }
        match written.subset.images_per_class.iter().position(|&images| images == 0) {
            None => Ok(()),
            Some(class) => {
                Err(PicturesError::ClassWithout { class: self.listing.classes[class].name.clone(), subset })
            }
        }
    }

    fn too_many(&self, subset: &'static str, refused: Vec<RefusedPicture>, pictures: u64) -> PicturesError {
        let refused_max = self.options.refused_max;
        PicturesError::TooManyRefused { subset, refused, pictures, refused_max }
    }
}

/// An error as a person reads it, with its causes.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
