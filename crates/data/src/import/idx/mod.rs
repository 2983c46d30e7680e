//! IDX: the format of MNIST and its relatives, plain or gzipped.
//!
//! Four files: images and labels, to train on and to test on. Every count in a header is
//! compared with the file's length and with the other file's count; every label with the
//! classes. What disagrees is refused with file and byte, and nothing is left behind.
//! Colour images do not exist in IDX.

mod error;
mod file;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use selffer_core::{pack::Class, spec::ImageShape};

pub use error::ImportError;

use self::file::{ImagesFile, read_labels};
use super::{
    known_class_names,
    numbered::{NumberedSet, NumberedSubset},
};
use crate::pack::{IMAGES_MAX, check_image};

/// The files of one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxSource {
    /// Images to train on.
    pub train_images: PathBuf,
    /// Their labels.
    pub train_labels: PathBuf,
    /// Images to test on.
    pub validation_images: PathBuf,
    /// Their labels.
    pub validation_labels: PathBuf,
    /// What the classes are called, by label. Without names they are called by their
    /// labels, and each must have an image to train on.
    pub class_names: Option<Vec<String>>,
}

impl IdxSource {
    /// Finds the four files under their usual names, `train-images-idx3-ubyte` and so on,
    /// plain before `.gz`. Class names are filled in if the folder is called like a set
    /// whose names are built in, as the distributions' folders are.
    ///
    /// # Errors
    /// A file that is not there.
    pub fn in_folder(folder: &Path) -> Result<Self, ImportError> {
        let find = |name: &str| {
            [folder.join(name), folder.join(format!("{name}.gz"))]
                .into_iter()
                .find(|path| path.is_file())
                .ok_or_else(|| ImportError::NoFile { folder: folder.to_path_buf(), name: name.to_owned() })
        };
        let folder_name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Ok(Self {
            train_images: find("train-images-idx3-ubyte")?,
            train_labels: find("train-labels-idx1-ubyte")?,
            validation_images: find("t10k-images-idx3-ubyte")?,
            validation_labels: find("t10k-labels-idx1-ubyte")?,
            class_names: known_class_names(folder_name),
        })
    }

    /// Fills in class names if the set is called like one whose names are built in.
    #[must_use]
    pub fn called(self, dataset: &str) -> Self {
        let class_names = known_class_names(dataset).or(self.class_names);
        Self { class_names, ..self }
    }
}

/// Opens the set: headers and labels are read and checked.
///
/// # Errors
/// A file that is not what it should be, with the byte.
pub fn open(source: &IdxSource) -> Result<NumberedSet<ImportError>, ImportError> {
    let train = OpenSubset::open(&source.train_images, &source.train_labels)?;
    let validation = OpenSubset::open(&source.validation_images, &source.validation_labels)?;
    let image = train.images.shape();
    train.images.check_shape(image)?;
    validation.images.check_shape(image)?;
    let class_names = class_names(source, &train)?;
    train.check_labels(class_names.len())?;
    validation.check_labels(class_names.len())?;
    let files =
        [&source.train_images, &source.train_labels, &source.validation_images, &source.validation_labels];
    Ok(NumberedSet {
        image,
        classes: class_names.into_iter().map(Class::named).collect(),
        groupings: BTreeMap::new(),
        files: files.map(PathBuf::clone).into(),
        train: train.numbered(),
        validation: validation.numbered(),
    })
}

/// The names given, or one for each label up to the largest.
fn class_names(source: &IdxSource, train: &OpenSubset) -> Result<Vec<String>, ImportError> {
    if let Some(names) = &source.class_names {
        return Ok(names.clone());
    }
    let largest = train.labels.iter().copied().max().unwrap_or(0);
    let is_used = |class: &u32| train.labels.contains(class);
    match (0..=largest).find(|class| !is_used(class)) {
        None => Ok((0..=largest).map(|class| class.to_string()).collect()),
        Some(class) => Err(ImportError::EmptyClass { path: train.labels_path.to_path_buf(), class, largest }),
    }
}

/// One subset with its labels read and its images to come.
struct OpenSubset {
    images: ImagesFile,
    labels_path: PathBuf,
    labels: Vec<u32>,
}

impl OpenSubset {
    fn open(images_path: &Path, labels_path: &Path) -> Result<Self, ImportError> {
        let images = ImagesFile::open(images_path)?;
        let labels = read_labels(labels_path)?;
        if images.count() != labels.len() as u64 {
            return Err(ImportError::Counts {
                images_path: images_path.to_path_buf(),
                images: images.count(),
                labels_path: labels_path.to_path_buf(),
                labels: labels.len() as u64,
            });
        }
        if !(1..=IMAGES_MAX).contains(&images.count()) {
            return Err(ImportError::Empty { path: images_path.to_path_buf() });
        }
        Ok(Self { images, labels_path: labels_path.to_path_buf(), labels })
    }

    fn check_labels(&self, class_count: usize) -> Result<(), ImportError> {
        match self.labels.iter().position(|&label| label as usize >= class_count) {
            None => Ok(()),
            Some(position) => Err(ImportError::Label {
                path: self.labels_path.to_path_buf(),
                offset: file::LABELS_AT + position as u64,
                label: self.labels[position],
                class_count,
            }),
        }
    }

    fn numbered(self) -> NumberedSubset<ImportError> {
        let Self { mut images, labels, .. } = self;
        let mut left = labels.len();
        let next_image = move |pixels: &mut [u8]| {
            images.read_image(pixels)?;
            left -= 1;
            if left == 0 { images.expect_end() } else { Ok(()) }
        };
        NumberedSubset { labels, next_image: Box::new(next_image) }
    }
}

impl ImagesFile {
    /// Checks that images have this shape, and that it is one of a pack's.
    fn check_shape(&self, expected: ImageShape) -> Result<(), ImportError> {
        let (path, found) = (self.path().to_path_buf(), self.shape());
        if check_image(found).is_err() {
            return Err(ImportError::Sides { path, height: found.height, width: found.width });
        }
        if found == expected {
            return Ok(());
        }
        let (offset, found, expected) = if found.height == expected.height {
            (file::WIDTH_AT, found.width, expected.width)
        } else {
            (file::HEIGHT_AT, found.height, expected.height)
        };
        Err(ImportError::Dimension { path, offset, found, expected })
    }
}
