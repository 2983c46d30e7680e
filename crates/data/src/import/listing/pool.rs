//! A listing in the making: what was found so far, sorted and checked at the end.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use selffer_core::{pack::Class, spec::Half};

use super::{Archive, Entry, ListError, Listing, PICTURES_MAX, Skipped};

/// As many as a pack has.
const CLASSES_MAX: usize = 100_000;

/// What was found in a source.
#[derive(Debug)]
pub(in crate::import) struct Pool {
    pub(in crate::import) source: PathBuf,
    pub(in crate::import) archives: Vec<Archive>,
    pub(in crate::import) skipped: Skipped,
    pub(in crate::import) train: Vec<Entry>,
    pub(in crate::import) validation: Vec<Entry>,
}

impl Pool {
    pub(in crate::import) fn of(source: &Path) -> Self {
        Self {
            source: source.to_path_buf(),
            archives: Vec::new(),
            skipped: Skipped::default(),
            train: Vec::new(),
            validation: Vec::new(),
        }
    }

    /// Checks how many class folders there are, before they are looked into.
    pub(in crate::import) fn check_class_count(path: &Path, count: usize) -> Result<(), ListError> {
        if (2..=CLASSES_MAX).contains(&count) {
            return Ok(());
        }
        Err(ListError::Classes { path: path.to_path_buf(), count })
    }

    /// The listing of all this, in its order, if every class can be learned and tested.
    pub(in crate::import) fn finish(
        mut self,
        classes: Vec<Class>,
        groupings: BTreeMap<String, Vec<Half>>,
    ) -> Result<Listing, ListError> {
        Self::check_class_count(&self.source, classes.len())?;
        if (self.train.len() + self.validation.len()) as u64 > PICTURES_MAX {
            return Err(ListError::TooMany { path: self.source });
        }
        for (subset, entries) in [("train", &mut self.train), ("validation", &mut self.validation)] {
            sort(entries)?;
            entries.shrink_to_fit();
            if let Some(class) = empty_class(entries, classes.len()) {
                let class = &classes[class];
                let class = class.wnid.clone().unwrap_or_else(|| class.name.clone());
                return Err(ListError::EmptyClass { path: self.source, class, subset });
            }
        }
        let Self { source, archives, skipped, train, validation } = self;
        Ok(Listing { classes, groupings, train, validation, skipped, source, archives })
    }
}

/// By class, then by file name, which must be unique.
pub(in crate::import) fn sort(entries: &mut [Entry]) -> Result<(), ListError> {
    entries.sort_unstable_by(|one, other| {
        (one.label, one.file_name(), &one.name).cmp(&(other.label, other.file_name(), &other.name))
    });
    let is_doubled =
        |pair: &&[Entry]| pair[0].label == pair[1].label && pair[0].file_name() == pair[1].file_name();
    match entries.windows(2).find(is_doubled) {
        None => Ok(()),
        Some(pair) => {
            Err(ListError::Doubled { one: pair[0].name.to_string(), other: pair[1].name.to_string() })
        }
    }
}

/// The first class without an entry, of sorted entries.
fn empty_class(entries: &[Entry], class_count: usize) -> Option<usize> {
    let mut next = 0;
    for entry in entries {
        let label = entry.label as usize;
        if label > next {
            return Some(next);
        }
        next = label + 1;
    }
    (next < class_count).then_some(next)
}
