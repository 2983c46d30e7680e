//! What validation pictures show, from whichever list there is, and which picture is meant.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{Ilsvrc2012Error, is_wnid, text};
use crate::import::listing::{
    Entry, ListError,
    pool::sort,
    tree::{self, Kind, stem},
};

/// The lists that are known, but for the devkit, in the order in which they are sought.
const IN_ORDER: &str = "imagenet_2012_validation_synset_labels.txt";
const CAFFE: &str = "val.txt";
const BY_NAME: [&str; 9] = [
    "LOC_val_solution.csv",
    "val.csv",
    "val.tsv",
    "val_map.csv",
    "val_map.tsv",
    "val_labels.csv",
    "val_labels.tsv",
    "validation_map.csv",
    "validation_map.tsv",
];
/// For messages.
pub(super) const KNOWN: &str = "ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_devkit_t12/data, \
    imagenet_2012_validation_synset_labels.txt, val.txt, LOC_val_solution.csv, val.csv (FILE,WNID)";

/// The labels of a list.
pub(super) struct Labels {
    path: PathBuf,
    of: Of,
}

enum Of {
    /// A line and an id for each picture in the order of their names.
    Order(Vec<(usize, String)>),
    /// A line and an id by the picture's name without its ending.
    Name(HashMap<String, (usize, String)>),
}

impl Labels {
    pub(super) fn in_order(path: PathBuf, wnids: Vec<(usize, String)>) -> Self {
        Self { path, of: Of::Order(wnids) }
    }

    /// The first of the known lists in `source`; `wnids` are the classes in order.
    pub(super) fn find(source: &Path, wnids: &[String]) -> Result<Option<Self>, Ilsvrc2012Error> {
        let is_there = |name: &str| -> Result<bool, ListError> {
            Ok(matches!(tree::kind_of(source, name)?, Some(Kind::File { .. })))
        };
        if is_there(IN_ORDER)? {
            return Self::read_in_order(source.join(IN_ORDER)).map(Some);
        }
        if is_there(CAFFE)? {
            return Self::read_caffe(source.join(CAFFE), wnids).map(Some);
        }
        for name in BY_NAME {
            if is_there(name)? {
                return Self::read_by_name(source.join(name)).map(Some);
            }
        }
        Ok(None)
    }

    fn read_in_order(path: PathBuf) -> Result<Self, Ilsvrc2012Error> {
        let bytes = text::read(&path)?;
        let mut wnids = Vec::new();
        for (line, found) in text::lines(&String::from_utf8_lossy(&bytes)) {
            if !is_wnid(found) {
                return Err(text::wrong_line(&path, (line, found), "a WordNet id as n01440764"));
            }
            wnids.push((line, found.to_owned()));
        }
        Ok(Self::in_order(path, wnids))
    }

    /// `FILE INDEX`, the index in the order of the classes' ids.
    fn read_caffe(path: PathBuf, wnids: &[String]) -> Result<Self, Ilsvrc2012Error> {
        let bytes = text::read(&path)?;
        let mut labels = Vec::new();
        for (line, found) in text::lines(&String::from_utf8_lossy(&bytes)) {
            let parts = found.rsplit_once(char::is_whitespace);
            let Some((file, Ok(index))) = parts.map(|(file, index)| (file, index.parse::<u32>())) else {
                return Err(text::wrong_line(&path, (line, found), "a file and the index of its class"));
            };
            let Some(wnid) = wnids.get(index as usize) else {
                return Err(Ilsvrc2012Error::NoNumber { path, line, number: index });
            };
            labels.push((line, file.trim().to_owned(), wnid.clone()));
        }
        Self::by_name(path, labels)
    }

    /// `FILE,WNID`, by commas or tabs; what follows the id is of no use here.
    pub(super) fn read_by_name(path: PathBuf) -> Result<Self, Ilsvrc2012Error> {
        let bytes = text::read(&path)?;
        let mut labels = Vec::new();
        for (line, found) in text::lines(&String::from_utf8_lossy(&bytes)) {
            let mut parts = found.split([',', '\t']).map(|part| part.trim().trim_matches('"'));
            let file = parts.next().unwrap_or_default();
            let wnid = parts.next().and_then(|part| part.split_whitespace().next()).unwrap_or_default();
            if is_wnid(wnid) && !file.is_empty() {
                labels.push((line, file.to_owned(), wnid.to_owned()));
            } else if line > 1 {
                return Err(text::wrong_line(&path, (line, found), "a file and the WordNet id of its class"));
            }
        }
        Self::by_name(path, labels)
    }

    fn by_name(path: PathBuf, labels: Vec<(usize, String, String)>) -> Result<Self, Ilsvrc2012Error> {
        let mut of = HashMap::with_capacity(labels.len());
        for (line, file, wnid) in labels {
            let name = file.rsplit_once('/').map_or(&*file, |(_, name)| name);
            let name = stem(name).unwrap_or(name).to_owned();
            if of.insert(name, (line, wnid)).is_some() {
                return Err(Ilsvrc2012Error::Twice { path, line, file });
            }
        }
        Ok(Self { path, of: Of::Name(of) })
    }

    /// Labels these pictures, which people call `pictures`; `wnids` are the classes in order.
    pub(super) fn apply(
        self,
        entries: &mut [Entry],
        pictures: &str,
        wnids: &[String],
    ) -> Result<(), Ilsvrc2012Error> {
        sort(entries)?;
        let Self { path, of } = self;
        let label = |line: usize, wnid: &String| match wnids.binary_search(wnid) {
            Ok(index) => Ok(u32::try_from(index).expect("fewer than 100,001 classes: checked before")),
            Err(_) => {
                let (path, wnid, class_count) = (path.clone(), wnid.clone(), wnids.len());
                Err(Ilsvrc2012Error::UnknownClass { path, line, wnid, class_count })
            }
        };
        match of {
            Of::Order(labels) => {
                if labels.len() != entries.len() {
                    let (labels, count, pictures) = (labels.len(), entries.len(), pictures.to_owned());
                    return Err(Ilsvrc2012Error::Counts { path, labels, pictures, count });
                }
                for (entry, (line, wnid)) in entries.iter_mut().zip(&labels) {
                    entry.label = label(*line, wnid)?;
                }
            }
            Of::Name(mut labels) => {
                for entry in entries {
                    let Some((line, wnid)) = stem(entry.file_name()).and_then(|stem| labels.remove(stem))
                    else {
                        return Err(Ilsvrc2012Error::Unlabelled { path, picture: entry.name.to_string() });
                    };
                    entry.label = label(line, &wnid)?;
                }
                // The first in the list, whatever the map's order.
                if let Some((file, (line, _))) = labels.into_iter().min_by_key(|(_, (line, _))| *line) {
                    return Err(Ilsvrc2012Error::NoPicture {
                        path,
                        line,
                        file,
                        pictures: pictures.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }
}
