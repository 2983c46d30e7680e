//! What an import tells about itself: what was left out and why, and which images are there
//! more than once.
//!
//! Lies beside the pack as `import.json` and is no part of it: the same images make the same
//! pack whatever they were imported from. Images are compared by their pixels as they are in
//! the pack, so copies in another file format or of another quality are not found, and
//! pictures that become the same when made small are.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use selffer_core::{
    ids::Digest,
    pack::{Class, PackManifest},
    spec::Half,
};
use serde::{Deserialize, Serialize};

use super::listing::Skipped;
use crate::{
    partial::WriteError,
    shards::{Outcome, PackWriter, PixelHash, WrittenSubset},
};

/// The report's file in a pack's folder.
pub const REPORT_FILE: &str = "import.json";
/// Value of [`ImportReport::schema`].
pub const REPORT_SCHEMA: &str = "selffer.import/v1";
/// As many repeated images are named of each kind.
const REPEATS_NAMED_MAX: usize = 100;

/// A pack that was imported, and what there is to say about it.
#[derive(Debug)]
pub struct Imported {
    /// The pack's.
    pub manifest: PackManifest,
    /// Also beside the pack.
    pub report: ImportReport,
}

/// What an import tells about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// [`REPORT_SCHEMA`].
    pub schema: String,
    /// A digest of all that decided about the result: the files, by name, length and time, and
    /// the options. Where it is the same, importing again would give the same pack.
    pub key: Digest,
    /// Images to train on.
    pub train: SubsetReport,
    /// Images to test on.
    pub validation: SubsetReport,
    /// Images to test on that are also among those to train on.
    pub validation_in_train: Repeats,
    /// Files of the source that are no images.
    pub skipped: Skipped,
}

/// What there is to say about one subset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubsetReport {
    /// Images in the pack.
    pub images: u64,
    /// Pictures that are not in it, each with the reason.
    pub refused: Vec<RefusedPicture>,
    /// Images that are there before within the subset.
    pub repeats: Repeats,
}

/// A picture that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedPicture {
    /// What it is called in the source.
    pub name: String,
    /// Why, as a sentence.
    pub reason: String,
}

/// Images that are there a second time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeats {
    /// How many.
    pub count: u64,
    /// Of those, how many are there under another class.
    pub of_another_class: u64,
    /// The first of them, by name: the image, and the earlier one that is the same.
    pub first: Vec<(String, String)>,
}

impl ImportReport {
    /// The report beside the pack in this folder, if there is one.
    #[must_use]
    pub fn beside(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(REPORT_FILE)).ok()?).ok()
    }
}

/// A subset as it was written, with what its images are called in the source.
pub(super) struct Told<'a> {
    pub(super) written: &'a WrittenSubset,
    pub(super) labels: &'a [u32],
    pub(super) name: &'a dyn Fn(usize) -> String,
}

/// What an import knows of its set when all images are written.
pub(super) struct Finished {
    pub(super) key: Digest,
    pub(super) classes: Vec<Class>,
    pub(super) groupings: BTreeMap<String, Vec<Half>>,
    pub(super) skipped: Skipped,
}

/// Puts the report beside the pack and the pack into its place.
pub(super) fn finish(
    writer: PackWriter,
    finished: Finished,
    train: &Told<'_>,
    validation: &Told<'_>,
) -> Result<Imported, WriteError> {
    let Finished { key, classes, groupings, skipped } = finished;
    let report = report(key, train, validation, skipped);
    let text = serde_json::to_vec_pretty(&report).expect("names, numbers and texts are JSON");
    writer.write_beside(REPORT_FILE, &text)?;
    let [train, validation] = [train, validation].map(|told| told.written.subset.clone());
    let manifest = writer.finish(classes, groupings, train, validation)?;
    Ok(Imported { manifest, report })
}

fn report(key: Digest, train: &Told<'_>, validation: &Told<'_>, skipped: Skipped) -> ImportReport {
    let (train_report, in_train) = train.report();
    let (validation_report, _) = validation.report();
    let mut validation_in_train = Repeats::default();
    for (index, hash) in validation.hashes() {
        if let Some(&first) = in_train.get(&hash) {
            validation_in_train.add((validation, index), (train, first));
        }
    }
    ImportReport {
        schema: REPORT_SCHEMA.to_owned(),
        key,
        train: train_report,
        validation: validation_report,
        validation_in_train,
        skipped,
    }
}

/// The refused among these outcomes, which `name` names.
pub(super) fn refused_of(
    outcomes: &[Outcome],
    name: impl Fn(usize) -> String,
) -> impl Iterator<Item = RefusedPicture> {
    outcomes.iter().enumerate().filter_map(move |(index, outcome)| match outcome {
        Outcome::Refused(reason) => Some(RefusedPicture { name: name(index), reason: reason.clone() }),
        Outcome::Written(_) => None,
    })
}

impl Told<'_> {
    /// What there is to say about it, and where each image is first.
    fn report(&self) -> (SubsetReport, HashMap<PixelHash, usize>) {
        let mut firsts = HashMap::with_capacity(self.labels.len());
        let mut repeats = Repeats::default();
        for (index, hash) in self.hashes() {
            let first = *firsts.entry(hash).or_insert(index);
            if first != index {
                repeats.add((self, index), (self, first));
            }
        }
        let refused = refused_of(&self.written.outcomes, self.name).collect();
        let images = self.written.subset.images();
        (SubsetReport { images, refused, repeats }, firsts)
    }

    fn hashes(&self) -> impl Iterator<Item = (usize, PixelHash)> {
        self.written.outcomes.iter().enumerate().filter_map(|(index, outcome)| match outcome {
            Outcome::Written(hash) => Some((index, *hash)),
            Outcome::Refused(_) => None,
        })
    }
}

impl Repeats {
    fn add(&mut self, (subset, index): (&Told<'_>, usize), (earlier, first): (&Told<'_>, usize)) {
        self.count += 1;
        self.of_another_class += u64::from(subset.labels[index] != earlier.labels[first]);
        if self.first.len() < REPEATS_NAMED_MAX {
            self.first.push(((subset.name)(index), (earlier.name)(first)));
        }
    }
}
