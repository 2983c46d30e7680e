//! The devkit: the table of classes, and the numbers of the classes that validation pictures show.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    Ilsvrc2012Error,
    labels::Labels,
    mat::{self, Synset},
    text,
};
use crate::import::{
    listing::tree::{self, Kind},
    tar_gz,
};

pub(super) const ARCHIVE: &str = "ILSVRC2012_devkit_t12.tar.gz";
pub(super) const FOLDER: &str = "ILSVRC2012_devkit_t12";
const META: &str = "data/meta.mat";
const GROUND_TRUTH: &str = "data/ILSVRC2012_validation_ground_truth.txt";
/// Ten times what it unpacks to.
const UNPACKED_BYTES_MAX: u64 = 64 << 20;
/// Numbers above this stand for what is above the classes.
const CLASS_ID_MAX: u32 = 1_000;

/// What of the devkit is needed.
pub(super) struct Devkit {
    /// What classes are called, by id.
    pub(super) words: BTreeMap<String, String>,
    /// For each validation picture in the order of their names.
    pub(super) labels: Labels,
}

/// Reads the devkit in `source`, unpacked before packed, if there is one.
pub(super) fn read(source: &Path) -> Result<Option<Devkit>, Ilsvrc2012Error> {
    let (meta_path, meta, truth_path, truth) = if tree::kind_of(source, FOLDER)? == Some(Kind::Folder) {
        let (meta, truth) = (source.join(FOLDER).join(META), source.join(FOLDER).join(GROUND_TRUTH));
        let (meta_bytes, truth_bytes) = (text::read(&meta)?, text::read(&truth)?);
        (meta, meta_bytes, truth, truth_bytes)
    } else if matches!(tree::kind_of(source, ARCHIVE)?, Some(Kind::File { .. })) {
        let archive = source.join(ARCHIVE);
        let (meta, truth) = (read_packed(&archive, META)?, read_packed(&archive, GROUND_TRUTH)?);
        (archive.join(META), meta, archive.join(GROUND_TRUTH), truth)
    } else {
        return Ok(None);
    };
    let synsets =
        mat::read(&meta).map_err(|problem| Ilsvrc2012Error::Mat { path: meta_path.clone(), problem })?;
    let wnids = classes(&meta_path, &synsets)?;
    let words = synsets.into_iter().map(|synset| (synset.wnid, synset.words)).collect();
    let labels = ground_truth(truth_path, &truth, &wnids)?;
    Ok(Some(Devkit { words, labels }))
}

fn read_packed(archive: &Path, name: &'static str) -> Result<Vec<u8>, Ilsvrc2012Error> {
    let failed = |source| Ilsvrc2012Error::Read { path: archive.to_path_buf(), source };
    let members = tar_gz::members(archive, UNPACKED_BYTES_MAX).map_err(failed)?;
    let Some(member) = members.iter().find(|member| Path::new(&member.name).ends_with(name)) else {
        return Err(Ilsvrc2012Error::Devkit { path: archive.to_path_buf(), name });
    };
    let mut bytes = Vec::new();
    let mut reader = tar_gz::open(archive, member, UNPACKED_BYTES_MAX).map_err(failed)?;
    reader.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The ids of the classes, by their number.
fn classes(path: &Path, synsets: &[Synset]) -> Result<BTreeMap<u32, String>, Ilsvrc2012Error> {
    let mut classes = BTreeMap::new();
    for synset in synsets.iter().filter(|synset| (1..=CLASS_ID_MAX).contains(&synset.id)) {
        if let Some(one) = classes.insert(synset.id, synset.wnid.clone()) {
            let (other, id) = (synset.wnid.clone(), synset.id);
            return Err(Ilsvrc2012Error::Number { path: path.to_path_buf(), one, other, id });
        }
    }
    Ok(classes)
}

fn ground_truth(
    path: PathBuf,
    bytes: &[u8],
    classes: &BTreeMap<u32, String>,
) -> Result<Labels, Ilsvrc2012Error> {
    let text = String::from_utf8_lossy(bytes);
    let mut wnids = Vec::new();
    for (line, found) in text::lines(&text) {
        let Ok(number) = found.parse::<u32>() else {
            return Err(text::wrong_line(&path, (line, found), "the number of a class"));
        };
        let Some(wnid) = classes.get(&number) else {
            return Err(Ilsvrc2012Error::NoNumber { path, line, number });
        };
        wnids.push((line, wnid.clone()));
    }
    Ok(Labels::in_order(path, wnids))
}
