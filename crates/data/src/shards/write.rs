//! Writing packs: whole or not at all.
//!
//! Everything is written into a hidden folder beside the target, synced, and renamed as
//! the last step. The folder is locked: two imports to one place exclude each other, and
//! what an import that was killed left behind is cleared by the next. The same images
//! give the same bytes, and with them the same digest, on every machine.

use std::{
    fs::{self, File, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use selffer_core::{
    ids::Digest,
    pack::{Class, MANIFEST_FILE, PackManifest, SCHEMA, Shard, Subset},
    spec::{Half, ImageShape},
};

/// A shard's images and labels, in bytes at most; its header comes on top.
const SHARD_BYTES_MAX: u64 = (256 << 20) - 4096;

/// Why a pack cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something is in the way.
    #[error("{path} exists already")]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// Another process writes there now.
    #[error("another import is writing to {path}")]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// The target has no parent folder, or its last part is not a name.
    #[error("{path} cannot be the name of a pack's folder")]
    Target {
        /// The target.
        path: PathBuf,
    },
    /// Writing failed: no space, no permission.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A pack in the making; dropped before [`PackWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct PackWriter {
    image: ImageShape,
    out: PathBuf,
    partial: PathBuf,
    // Held for its lock.
    lock: File,
    is_finished: bool,
}

/// The images of a subset as an importer has them.
pub struct SubsetImages<'a, E> {
    /// `train` or `validation`; names the shards.
    pub name: &'static str,
    /// The label of each image; each is below `class_count`.
    pub labels: &'a [u32],
    /// How many classes there are.
    pub class_count: usize,
    /// Fills the buffer with the pixels `[H, W, C]` of the next image.
    pub next_image: &'a mut dyn FnMut(&mut [u8]) -> Result<(), E>,
}

impl PackWriter {
    /// Begins a pack that will be at `out`, where nothing may be.
    ///
    /// # Errors
    /// `out` exists, another process writes there, or the disk refuses.
    pub fn create(out: &Path, image: ImageShape) -> Result<Self, WriteError> {
        let Some(name) = out.file_name() else {
            return Err(WriteError::Target { path: out.to_path_buf() });
        };
        if out.symlink_metadata().is_ok() {
            return Err(WriteError::Exists { path: out.to_path_buf() });
        }
        let mut partial_name = std::ffi::OsString::from(".");
        partial_name.push(name);
        partial_name.push(".partial");
        let partial = out.with_file_name(partial_name);
        let failed = |source| WriteError::Write { path: partial.clone(), source };
        fs::create_dir_all(&partial).map_err(failed)?;
        let lock = File::open(&partial).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WriteError::Busy { path: out.to_path_buf() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        clear(&partial).map_err(failed)?;
        Ok(Self { image, out: out.to_path_buf(), partial, lock, is_finished: false })
    }

    /// Writes one subset's shards, in order.
    ///
    /// # Errors
    /// What `next_image` answers, or what the disk refuses.
    pub fn write_subset<E: From<WriteError>>(&mut self, subset: SubsetImages<'_, E>) -> Result<Subset, E> {
        let SubsetImages { name, labels, class_count, next_image } = subset;
        let mut images_per_class = vec![0; class_count];
        for &label in labels {
            images_per_class[label as usize] += 1;
        }
        let images_per_shard = (SHARD_BYTES_MAX / (self.image_bytes() as u64 + 4)).max(1) as usize;
        let mut shards = Vec::new();
        for (index, labels) in labels.chunks(images_per_shard).enumerate() {
            let file = format!("{name}-{index:05}.safetensors");
            shards.push(self.write_shard(file, labels, next_image)?);
        }
        Ok(Subset { images_per_class, shards })
    }

    /// Writes the manifest and puts the pack in its place, to stay there after a power cut.
    ///
    /// # Errors
    /// The disk refuses, or something came to be at the target meanwhile.
    pub fn finish(
        mut self,
        classes: Vec<Class>,
        groupings: std::collections::BTreeMap<String, Vec<Half>>,
        train: Subset,
        validation: Subset,
    ) -> Result<PackManifest, WriteError> {
        let schema = SCHEMA.to_owned();
        let manifest = PackManifest { schema, image: self.image, classes, groupings, train, validation };
        let path = self.partial.join(MANIFEST_FILE);
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| WriteError::Write { path, source }
        };
        let mut file = File::create(&path).map_err(failed(&path))?;
        file.write_all(selffer_core::identity::canonical_json(&manifest).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed(&path))?;
        self.lock.sync_all().map_err(failed(&self.partial))?;
        fs::rename(&self.partial, &self.out).map_err(failed(&self.out))?;
        self.is_finished = true;
        let parent = match self.out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed(parent))?;
        Ok(manifest)
    }

    fn image_bytes(&self) -> usize {
        self.image.height as usize * self.image.width as usize * self.image.channels as usize
    }

    fn write_shard<E: From<WriteError>>(
        &mut self,
        file: String,
        labels: &[u32],
        next_image: &mut dyn FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Shard, E> {
        let path = self.partial.join(&file);
        let failed = |source| WriteError::Write { path: path.clone(), source };
        let mut writer = HashedFile::create(&path).map_err(failed)?;
        writer.write(&header(labels.len(), self.image)).map_err(failed)?;
        for label in labels {
            writer.write(&label.to_le_bytes()).map_err(failed)?;
        }
        let mut pixels = vec![0; self.image_bytes()];
        for _ in labels {
            next_image(&mut pixels)?;
            writer.write(&pixels).map_err(failed)?;
        }
        let (bytes, digest) = writer.finish().map_err(failed)?;
        Ok(Shard { file, images: labels.len() as u64, bytes, digest })
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // A folder that cannot be removed is cleared by the next import to this place.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// The safetensors header of a shard, with its length prefix, padded to 8 bytes.
fn header(count: usize, image: ImageShape) -> Vec<u8> {
    let (height, width, channels) = (image.height, image.width, image.channels);
    let labels_end = count * 4;
    let images_end = labels_end + count * height as usize * width as usize * channels as usize;
    let mut text = format!(
        "{{\"labels\":{{\"dtype\":\"U32\",\"shape\":[{count}],\"data_offsets\":[0,{labels_end}]}},\
         \"images\":{{\"dtype\":\"U8\",\"shape\":[{count},{height},{width},{channels}],\
         \"data_offsets\":[{labels_end},{images_end}]}}}}"
    );
    while text.len() % 8 != 0 {
        text.push(' ');
    }
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend_from_slice(text.as_bytes());
    header
}

fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

/// A file that knows its length and digest.
struct HashedFile {
    writer: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl HashedFile {
    fn create(path: &Path) -> io::Result<Self> {
        let writer = BufWriter::with_capacity(1 << 20, File::create(path)?);
        Ok(Self { writer, hasher: blake3::Hasher::new(), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.writer.write_all(bytes)
    }

    fn finish(self) -> io::Result<(u64, Digest)> {
        self.writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok((self.bytes, Digest(*self.hasher.finalize().as_bytes())))
    }
}
