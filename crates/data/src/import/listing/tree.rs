//! Folders: what lies in them, in one order on every machine.
//!
//! Links are followed, to files and to folders. How deep a folder is looked into is the
//! caller's business and bounded there, so that a link in a circle ends nowhere worse than
//! in a refusal.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rayon::prelude::*;

use super::{Entry, ListError, PICTURES_MAX, Place, Skipped};

/// Something in a folder.
#[derive(Debug)]
pub(in crate::import) struct Item {
    pub(in crate::import) name: String,
    pub(in crate::import) kind: Kind,
}

/// What it is, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::import) enum Kind {
    Folder,
    File {
        bytes: u64,
        modified_ns: i64,
    },
    /// A pipe, a device, a link to nowhere.
    Other,
}

/// What lies in this folder of the source, by name; hidden files are left out.
pub(in crate::import) fn items(source: &Path, folder: &str) -> Result<Vec<Item>, ListError> {
    let path = source.join(folder);
    let failed = |source| ListError::Read { path: path.clone(), source };
    let mut items = Vec::new();
    for entry in fs::read_dir(&path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(ListError::NotText { path: entry.path() });
        };
        if is_hidden(&name) {
            continue;
        }
        if items.len() as u64 == PICTURES_MAX {
            return Err(ListError::TooMany { path });
        }
        let kind = match fs::metadata(entry.path()) {
            Ok(metadata) => kind(&metadata),
            // A picture that cannot be reached is missed; anything else is not.
            Err(source) if is_picture(&name) => return Err(ListError::Read { path: entry.path(), source }),
            Err(_) => Kind::Other,
        };
        items.push(Item { name, kind });
    }
    items.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(items)
}

/// The file of this name in the source, if there is one; links are followed.
pub(in crate::import) fn kind_of(source: &Path, name: &str) -> Result<Option<Kind>, ListError> {
    let path = source.join(name);
    match fs::metadata(&path) {
        Ok(metadata) => Ok(Some(kind(&metadata))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(ListError::Read { path, source }),
    }
}

fn kind(metadata: &fs::Metadata) -> Kind {
    if metadata.is_dir() {
        Kind::Folder
    } else if metadata.is_file() {
        let modified_ns =
            metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        Kind::File { bytes: metadata.len(), modified_ns }
    } else {
        Kind::Other
    }
}

/// What file managers leave behind.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name.eq_ignore_ascii_case("Thumbs.db")
}

/// Whether a file of this name is taken for a picture.
pub(in crate::import) fn is_picture(name: &str) -> bool {
    stem(name).is_some()
}

/// The name of a picture without its ending.
pub(in crate::import) fn stem(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    let is_known = ["jpg", "jpeg", "png"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    (is_known && !stem.is_empty()).then_some(stem)
}

/// A name within a folder of the source, which is itself without a name.
pub(in crate::import) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The pictures that lie directly in a folder, all of one class; there may be no folders.
pub(in crate::import) fn pictures(
    source: &Path,
    folder: &str,
    label: u32,
) -> Result<(Vec<Entry>, Skipped), ListError> {
    let (mut entries, mut skipped) = (Vec::new(), Skipped::default());
    for Item { name, kind } in items(source, folder)? {
        let path = join(folder, &name);
        match kind {
            Kind::Folder => return Err(ListError::Deeper { path: source.join(path) }),
            Kind::File { bytes, modified_ns } if is_picture(&name) => {
                let (name, place) = (path.into_boxed_str(), Place::File { modified_ns });
                entries.push(Entry { name, label, bytes, place });
            }
            Kind::File { .. } | Kind::Other => skipped.add(path),
        }
    }
    Ok((entries, skipped))
}

/// The folders among these items of a folder; what else is there is told as skipped.
pub(in crate::import) fn folders(folder: &str, items: Vec<Item>, skipped: &mut Skipped) -> Vec<String> {
    let mut folders = Vec::new();
    for Item { name, kind } in items {
        if kind == Kind::Folder {
            folders.push(name);
        } else {
            skipped.add(join(folder, &name));
        }
    }
    folders
}

/// How the pictures of one class folder are found; given the source, the folder and the label.
pub(in crate::import) type ReadClass = fn(&Path, &str, u32) -> Result<(Vec<Entry>, Skipped), ListError>;

/// The pictures in these class folders of a folder, labelled by the folders' order. Folders
/// are looked into side by side: on a file server most of the time is waiting.
pub(in crate::import) fn class_pictures(
    source: &Path,
    folder: &str,
    classes: &[String],
    read: ReadClass,
) -> Result<(Vec<Entry>, Skipped), ListError> {
    let read = |(label, class): (usize, &String)| {
        let label = u32::try_from(label).expect("fewer than 100,001 classes: checked before");
        read(source, &join(folder, class), label)
    };
    // Collected in order before the first error is taken, so that it is always the same one.
    let found: Vec<_> = classes.par_iter().enumerate().map(read).collect();
    let (mut entries, mut skipped) = (Vec::new(), Skipped::default());
    for found in found {
        let (class_entries, class_skipped) = found?;
        entries.extend(class_entries);
        skipped.add_all(class_skipped);
    }
    Ok((entries, skipped))
}

/// Checks that both subsets have the same class folders.
pub(in crate::import) fn check_same(
    source: &Path,
    train: &[String],
    validation: &[String],
) -> Result<(), ListError> {
    let without = |classes: &[String], others: &[String]| -> Vec<String> {
        classes.iter().filter(|class| others.binary_search(class).is_err()).cloned().collect()
    };
    let (only_train, only_validation) = (without(train, validation), without(validation, train));
    if only_train.is_empty() && only_validation.is_empty() {
        return Ok(());
    }
    Err(ListError::Subsets { path: source.to_path_buf(), train: only_train, validation: only_validation })
}
