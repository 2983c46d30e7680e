//! Mean images that are kept in a folder, so that the jobs of a study do not each read all
//! images of their half.
//!
//! A file is named by what its mean is of and begins with the digest of the rest, so one
//! that is damaged is found out and computed again. It appears whole, by a rename; several
//! trainers may share the folder. A use writes it anew, which makes it the newest, and what
//! is oldest makes room. A folder that cannot be read or written costs time and nothing else.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    process,
    time::SystemTime,
};

use selffer_core::{identity::canonical_json, ids::Digest, spec::ImagesPerClass};
use selffer_data::{Pack, PackError, mean_image, select};
use serde::Serialize;

/// Files kept, at most: for images of 256×256×3 pixels 50 MB.
const FILES_MAX: usize = 64;
const DIGEST_BYTES: usize = 32;

/// What a mean image is of; its hash names the file.
#[derive(Serialize)]
pub(crate) struct Subject<'a> {
    pub(crate) pack: Digest,
    pub(crate) classes: &'a [u32],
    pub(crate) images_per_class: ImagesPerClass,
}

/// The mean image of the training images of this subject: a kept one, or computed with the
/// current threads.
///
/// # Errors
/// An image is coded and cannot be decoded.
pub(crate) fn mean_of(
    pack: &Pack,
    subject: &Subject<'_>,
    folder: Option<&Path>,
) -> Result<Vec<f32>, PackError> {
    let compute =
        || mean_image(pack.train(), &select(pack.train(), subject.classes, subject.images_per_class));
    let Some(folder) = folder else { return compute() };
    let name = Digest::of(canonical_json(subject).as_bytes()).to_string();
    let values_count = pack.train().image_bytes();
    let mean = match read(&folder.join(&name), values_count) {
        Some(kept) => kept,
        None => compute()?,
    };
    // The training has what it needs; the next one computes it again.
    let _ = keep(folder, &name, &mean);
    Ok(mean)
}

/// The mean in this file, if it is there, has so many values and is what was written.
fn read(path: &Path, values_count: usize) -> Option<Vec<f32>> {
    let bytes = fs::read(path).ok()?;
    let (digest, values) = bytes.split_at_checked(DIGEST_BYTES)?;
    let (values, rest) = values.as_chunks::<4>();
    if !rest.is_empty() || values.len() != values_count || Digest::of(values.as_flattened()).0 != digest {
        return None;
    }
    Some(values.iter().copied().map(f32::from_le_bytes).collect())
}

fn keep(folder: &Path, name: &str, mean: &[f32]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let values: Vec<u8> = mean.iter().flat_map(|value| value.to_le_bytes()).collect();
    let part = folder.join(format!("{name}.{}.part", process::id()));
    let mut file = fs::File::create(&part)?;
    file.write_all(&Digest::of(&values).0)?;
    file.write_all(&values)?;
    fs::rename(&part, folder.join(name))?;
    make_room(folder)
}

// What a trainer that was killed left half written grows old and goes too.
fn make_room(folder: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, _)> = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        // Another trainer may have removed it.
        let Ok(written) = file.metadata().and_then(|metadata| metadata.modified()) else { continue };
        files.push((written, file.path()));
    }
    files.sort();
    for (_, oldest) in &files[..files.len().saturating_sub(FILES_MAX)] {
        let _ = fs::remove_file(oldest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_kept_mean_reads_back_and_a_damaged_or_foreign_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let mean = [0.0, 127.25, 1.0 / 3.0];
        keep(folder.path(), "mean", &mean).unwrap();
        let path = folder.path().join("mean");
        assert_eq!(names(folder.path()), ["mean"]);
        assert_eq!(read(&path, 3).unwrap(), mean);

        assert_eq!(read(&path, 4), None);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read(&path, 3), None, "{length}");
        }
        let mut flipped = whole;
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&path, flipped).unwrap();
        assert_eq!(read(&path, 3), None);
    }

    #[test]
    fn the_oldest_files_make_room() {
        let folder = tempfile::tempdir().unwrap();
        for index in 0..FILES_MAX as u64 {
            let path = folder.path().join(format!("{index:03}"));
            fs::write(&path, "old").unwrap();
            let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000 - index);
            fs::File::options().append(true).open(&path).unwrap().set_modified(written).unwrap();
        }

        keep(folder.path(), "new", &[1.0]).unwrap();

        let left = names(folder.path());
        assert_eq!(left.len(), FILES_MAX);
        assert!(left.contains(&"new".to_owned()) && !left.contains(&"063".to_owned()), "{left:?}");
    }
}
