//! The original archives, whose headers are read and nothing else.

use std::{fs::File, path::Path, sync::atomic::AtomicU64};

use rayon::prelude::*;

use super::{Ilsvrc2012Error, is_wnid};
use crate::import::listing::{
    Archive, Entry, ListError, Place, Skipped,
    pool::Pool,
    tar::{Member, TarProblem, Window},
    tree::{self, Kind, is_picture, join},
};

const EXPECTED_ARCHIVES: &str = "the archive holds archives that are called by WordNet ids, as n01440764.tar";
const EXPECTED_PICTURES: &str = "the archive holds pictures";

/// The archive of one class: a part of a larger one, or a file.
struct Inner {
    wnid: String,
    archive: u32,
    start: u64,
    end: u64,
    /// What people call it.
    name: String,
    /// What the names of its pictures begin with.
    prefix: String,
}

/// Finds the training pictures in the archive of archives and returns the classes' ids.
pub(super) fn read_train(pool: &mut Pool, name: &str) -> Result<Vec<String>, Ilsvrc2012Error> {
    let (archive, file) = open(pool, name)?;
    let end = pool.archives[archive as usize].bytes;
    let (headers, source) = (AtomicU64::new(0), pool.source.clone());
    let window = Window { source: &source, file: &file, name, start: 0, end };
    let mut inner: Vec<Inner> = Vec::new();
    window.walk(&headers, &mut |member: Member| {
        let file_name = member.file_name();
        match file_name.strip_suffix(".tar").filter(|stem| is_wnid(stem)) {
            Some(wnid) => inner.push(Inner {
                wnid: wnid.to_owned(),
                archive,
                start: member.data_at,
                end: member.data_at + member.bytes,
                name: format!("{name}: {file_name}"),
                prefix: format!("{name}: {file_name}/"),
            }),
            None if is_picture(file_name) || file_name.ends_with(".tar") => {
                let (name, expected) = (member.name, EXPECTED_ARCHIVES);
                return Err(window.refuse(member.header_at, TarProblem::Unexpected { name, expected }));
            }
            None => pool.skipped.add(format!("{name}: {}", member.name)),
        }
        Ok(())
    })?;
    inner.sort_by(|one, other| one.wnid.cmp(&other.wnid));
    if let Some(pair) = inner.windows(2).find(|pair| pair[0].wnid == pair[1].wnid) {
        let (one, other) = (pair[0].name.clone(), pair[1].name.clone());
        return Err(ListError::Doubled { one, other }.into());
    }
    read_inner(pool, &source.join(name), inner, &headers)
}

/// Finds the training pictures in a folder of the classes' archives.
pub(super) fn read_train_folder(pool: &mut Pool, folder: &str) -> Result<Vec<String>, Ilsvrc2012Error> {
    let mut inner = Vec::new();
    for item in tree::items(&pool.source, folder)? {
        let name = join(folder, &item.name);
        let (Kind::File { .. }, Some(wnid)) = (item.kind, item.name.strip_suffix(".tar")) else {
            pool.skipped.add(name);
            continue;
        };
        if !is_wnid(wnid) {
            return Err(Ilsvrc2012Error::NoId { path: pool.source.join(name) });
        }
        let (archive, _) = open(pool, &name)?;
        let end = pool.archives[archive as usize].bytes;
        let prefix = format!("{name}: ");
        inner.push(Inner { wnid: wnid.to_owned(), archive, start: 0, end, name, prefix });
    }
    let path = pool.source.join(folder);
    read_inner(pool, &path, inner, &AtomicU64::new(0))
}

fn read_inner(
    pool: &mut Pool,
    path: &Path,
    inner: Vec<Inner>,
    headers: &AtomicU64,
) -> Result<Vec<String>, Ilsvrc2012Error> {
    Pool::check_class_count(path, inner.len())?;
    // Side by side, since most of the time is waiting for the disk; in order, so that of
    // several errors it is always the same one.
    let found: Vec<_> = (0..)
        .zip(&inner)
        .collect::<Vec<(u32, &Inner)>>()
        .into_par_iter()
        .map(|(label, inner)| read_class(pool, inner, label, headers))
        .collect();
    for found in found {
        let (entries, skipped) = found?;
        pool.train.extend(entries);
        pool.skipped.add_all(skipped);
    }
    Ok(inner.into_iter().map(|inner| inner.wnid).collect())
}

fn read_class(
    pool: &Pool,
    inner: &Inner,
    label: u32,
    headers: &AtomicU64,
) -> Result<(Vec<Entry>, Skipped), ListError> {
    let path = pool.source.join(&pool.archives[inner.archive as usize].name);
    let file = File::open(&path).map_err(|source| ListError::Read { path, source })?;
    let &Inner { start, end, archive, .. } = inner;
    let window = Window { source: &pool.source, file: &file, name: &inner.name, start, end };
    read_pictures(window, headers, (&inner.prefix, archive, label))
}

/// Finds the pictures to test on in their archive; their labels are not in there.
pub(super) fn read_validation(pool: &mut Pool, name: &str) -> Result<Vec<Entry>, ListError> {
    let (archive, file) = open(pool, name)?;
    let end = pool.archives[archive as usize].bytes;
    let window = Window { source: &pool.source, file: &file, name, start: 0, end };
    let (entries, skipped) = read_pictures(window, &AtomicU64::new(0), (&format!("{name}: "), archive, 0))?;
    pool.skipped.add_all(skipped);
    Ok(entries)
}

fn read_pictures(
    window: Window<'_>,
    headers: &AtomicU64,
    (prefix, archive, label): (&str, u32, u32),
) -> Result<(Vec<Entry>, Skipped), ListError> {
    let (mut entries, mut skipped) = (Vec::new(), Skipped::default());
    window.walk(headers, &mut |member: Member| {
        let file_name = member.file_name();
        if file_name.ends_with(".tar") {
            let (name, expected) = (member.name, EXPECTED_PICTURES);
            return Err(window.refuse(member.header_at, TarProblem::Unexpected { name, expected }));
        }
        let name = format!("{prefix}{}", member.name);
        if is_picture(file_name) && !file_name.starts_with('.') {
            let (name, place) = (name.into_boxed_str(), Place::Part { archive, offset: member.data_at });
            entries.push(Entry { name, label, bytes: member.bytes, place });
        } else if !file_name.starts_with('.') {
            skipped.add(name);
        }
        Ok(())
    })?;
    Ok((entries, skipped))
}

/// Opens an archive and puts it on the list; returns its place there.
fn open(pool: &mut Pool, name: &str) -> Result<(u32, File), ListError> {
    let path = pool.source.join(name);
    let Some(Kind::File { bytes, modified_ns }) = tree::kind_of(&pool.source, name)? else {
        return Err(ListError::Read { path, source: std::io::ErrorKind::NotFound.into() });
    };
    let file = File::open(&path).map_err(|source| ListError::Read { path, source })?;
    let archive = u32::try_from(pool.archives.len()).expect("a folder has fewer files: see tree::items()");
    pool.archives.push(Archive { name: name.to_owned(), bytes, modified_ns });
    Ok((archive, file))
}
