//! One shard in the making, whose images come in any order and from any thread.
//!
//! Pixels go straight to their place in the file, so that no image waits in memory for those
//! before it; JPEGs, whose lengths are not known beforehand, wait until the shard is whole,
//! which is about a fifth of it. An image that never comes leaves no gap: what follows
//! moves up.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use selffer_core::{
    ids::Digest,
    pack::{ChannelOrder, Encoding},
    spec::ImageShape,
};

use super::{
    PackForm,
    header::{jpegs_header, pixels_header},
    map::MappedFile,
};
use crate::{
    partial::WriteError,
    picture::{CodedImages, code},
};

/// Bytes of one label.
const LABEL_BYTES: usize = 4;

/// A shard in the making.
#[derive(Debug)]
pub(crate) struct ShardSlots {
    path: PathBuf,
    file: File,
    image: ImageShape,
    /// How many images may come.
    count: usize,
    room: Room,
}

/// Where images wait for the end.
#[derive(Debug)]
enum Room {
    /// In the file, from this byte on.
    File { images_at: u64 },
    /// In memory, coded.
    Memory { order: ChannelOrder, quality: u8, jpegs: Vec<OnceLock<Vec<u8>>> },
}

impl ShardSlots {
    /// Begins a shard for at most `count` images.
    pub(crate) fn create(path: &Path, count: usize, form: PackForm) -> Result<Self, WriteError> {
        let image = form.image;
        let room = match form.encoding {
            Encoding::Pixels => {
                let head = pixels_header(count, image).len() + count * LABEL_BYTES;
                Room::File { images_at: head as u64 }
            }
            Encoding::Jpeg { quality } => {
                let order = CodedImages::order_of(image, form.preparation);
                Room::Memory { order, quality, jpegs: (0..count).map(|_| OnceLock::new()).collect() }
            }
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let file = file.map_err(|source| WriteError::Write { path: path.to_path_buf(), source })?;
        Ok(Self { path: path.to_path_buf(), file, image, count, room })
    }

    /// Puts one image `[H, W, C]` into its place; each place is filled once.
    pub(crate) fn put(&self, slot: usize, pixels: &[u8]) -> Result<(), WriteError> {
        match &self.room {
            Room::File { images_at } => {
                let at = images_at + slot as u64 * self.image.bytes() as u64;
                self.file.write_all_at(pixels, at).map_err(self.failed())
            }
            Room::Memory { order, quality, jpegs } => {
                jpegs[slot].get_or_init(|| {
                    let mut jpeg = code(pixels, self.image, *order, *quality);
                    jpeg.shrink_to_fit();
                    jpeg
                });
                Ok(())
            }
        }
    }

    /// Closes the shard over the images that came, to stay there after a power cut; answers
    /// its length and digest.
    ///
    /// - `labels`: of each place
    /// - `is_there`: of each place, whether its image came; at least one did
    pub(crate) fn finish(mut self, labels: &[u32], is_there: &[bool]) -> Result<(u64, Digest), WriteError> {
        let there: Vec<usize> = (0..self.count).filter(|&slot| is_there[slot]).collect();
        let mut head_labels = Vec::with_capacity(there.len() * LABEL_BYTES);
        there.iter().for_each(|&slot| head_labels.extend(labels[slot].to_le_bytes()));
        let bytes = match std::mem::replace(&mut self.room, Room::File { images_at: 0 }) {
            Room::File { images_at } => self.close_pixels(images_at, &there, &head_labels)?,
            Room::Memory { jpegs, .. } => self.close_jpegs(jpegs, &there, &head_labels)?,
        };
        self.file.set_len(bytes).and_then(|()| self.file.sync_all()).map_err(self.failed())?;
        Ok((bytes, digest_of(&self.file).map_err(self.failed())?))
    }

    /// Moves images up where some did not come, then writes what stands before them.
    fn close_pixels(&self, images_at: u64, there: &[usize], labels: &[u8]) -> Result<u64, WriteError> {
        let mut head = pixels_header(there.len(), self.image);
        head.extend_from_slice(labels);
        let (image_bytes, begin) = (self.image.bytes(), head.len() as u64);
        if there.len() < self.count {
            // The head is shorter with fewer images, so nothing is overwritten before it is read.
            let mut pixels = vec![0; image_bytes];
            for (place, &slot) in there.iter().enumerate() {
                let from = images_at + slot as u64 * image_bytes as u64;
                let to = begin + place as u64 * image_bytes as u64;
                let moved = self.file.read_exact_at(&mut pixels, from);
                moved.and_then(|()| self.file.write_all_at(&pixels, to)).map_err(self.failed())?;
            }
        }
        self.file.write_all_at(&head, 0).map_err(self.failed())?;
        Ok(begin + (there.len() * image_bytes) as u64)
    }

    fn close_jpegs(
        &self,
        jpegs: Vec<OnceLock<Vec<u8>>>,
        there: &[usize],
        labels: &[u8],
    ) -> Result<u64, WriteError> {
        let jpegs: Vec<Vec<u8>> = jpegs.into_iter().filter_map(OnceLock::into_inner).collect();
        let (mut ends, mut end) = (Vec::with_capacity(there.len() * 8), 0_usize);
        for jpeg in &jpegs {
            end += jpeg.len();
            ends.extend(u64::to_le_bytes(end as u64));
        }
        let mut at = 0;
        let head = jpegs_header(there.len(), end);
        for part in [head.as_slice(), labels, &ends].into_iter().chain(jpegs.iter().map(Vec::as_slice)) {
            self.file.write_all_at(part, at).map_err(self.failed())?;
            at += part.len() as u64;
        }
        Ok(at)
    }

    fn failed(&self) -> impl FnOnce(std::io::Error) -> WriteError + use<> {
        let path = self.path.clone();
        move |source| WriteError::Write { path, source }
    }
}

/// BLAKE3 of the whole file, by all threads that there are.
pub(crate) fn digest_of(file: &File) -> std::io::Result<Digest> {
    let bytes = MappedFile::of(file)?;
    Ok(Digest(*blake3::Hasher::new().update_rayon(&bytes).finalize().as_bytes()))
}
