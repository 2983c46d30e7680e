//! What the fuzz targets share: a folder in memory where an input is put, and the smallest sets
//! of each form into which it is put.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use selffer_core::{
    ids::Digest,
    pack::{Class, Encoding, PackManifest, SCHEMA, Shard, Subset},
    spec::ImageShape,
};
use selffer_data::{ImageBuffer, Pack};

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let given = std::env::var_os("SELFFER_FUZZ_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    given.join(std::process::id().to_string())
});

/// A folder of this process, with these files and nothing else below `name`.
///
/// # Panics
/// When the files cannot be written.
#[must_use]
pub fn folder(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = FOLDER.join(name);
    for (file, bytes) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("folders can be made");
        fs::write(path, bytes).expect("files can be written");
    }
    folder
}

/// Removes what an import made.
pub fn remove(path: &Path) {
    let _ = fs::remove_dir_all(path);
}

/// Two grey images of 2×3 pixels as IDX, and their labels.
#[must_use]
pub fn idx() -> [Vec<u8>; 2] {
    let header = |magic: u32, sizes: &[u32]| -> Vec<u8> {
        std::iter::once(&magic).chain(sizes).flat_map(|number| number.to_be_bytes()).collect()
    };
    let images = [header(0x0803, &[2, 2, 3]), (0..12).collect()].concat();
    [images, [header(0x0801, &[2]), vec![0, 1]].concat()]
}

/// A JPEG of a few colours.
#[must_use]
pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let pixels: Vec<u8> =
        (0..u32::from(width) * u32::from(height) * 3).map(|index| (index * 37 % 251) as u8).collect();
    let mut bytes = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).expect("sides above 0");
    bytes
}

/// A PNG of rows of RGB pixels.
#[must_use]
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..width * height * 3).map(|index| (index * 31 % 253) as u8).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels))
        .expect("a picture of its size");
    bytes
}

/// A tar of these files.
#[must_use]
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, *bytes).expect("memory takes it");
    }
    builder.into_inner().expect("memory takes it")
}

/// ILSVRC's training archive in small: two classes of one picture.
#[must_use]
pub fn training_archive() -> Vec<u8> {
    let picture = jpeg(4, 3);
    let one = tar(&[("n01440764_1.JPEG", picture.as_slice())]);
    let other = tar(&[("n02808440_1.JPEG", picture.as_slice())]);
    tar(&[("n01440764.tar", one.as_slice()), ("n02808440.tar", other.as_slice())])
}

/// The validation archive that goes with it, of two pictures.
#[must_use]
pub fn validation_archive() -> Vec<u8> {
    let picture = jpeg(4, 3);
    tar(&[
        ("ILSVRC2012_val_00000001.JPEG", picture.as_slice()),
        ("ILSVRC2012_val_00000002.JPEG", picture.as_slice()),
    ])
}

/// The archive with the checksum of each of its headers put right, without which none would be
/// believed.
#[must_use]
pub fn with_checksums(archive: &[u8]) -> Vec<u8> {
    let mut archive = archive.to_vec();
    for block in archive.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    archive
}

/// The labels of its pictures.
pub const VALIDATION_MAP: &[u8] = b"n01440764\nn02808440\n";

/// Opens a pack whose training shard is this and reads its images; that to test on is its own.
pub fn open_shard(name: &str, encoding: Encoding, bytes: &[u8]) {
    let shard = |file: &str, bytes: &[u8]| Subset {
        images_per_class: vec![1, 1],
        shards: vec![Shard {
            file: file.into(),
            images: 2,
            bytes: bytes.len() as u64,
            digest: Digest::of(bytes),
        }],
    };
    let manifest = PackManifest {
        schema: SCHEMA.into(),
        image: ImageShape { height: 8, width: 8, channels: 3 },
        preparation: None,
        encoding,
        classes: ["a", "b"].map(Class::named).into(),
        groupings: BTreeMap::new(),
        train: shard("train-00000.safetensors", bytes),
        validation: shard("validation-00000.safetensors", bytes),
    };
    let text = serde_json::to_vec(&manifest).expect("a manifest is JSON");
    let files = [
        ("manifest.json", text.as_slice()),
        ("train-00000.safetensors", bytes),
        ("validation-00000.safetensors", bytes),
    ];
    let Ok(pack) = Pack::open(&folder(name, &files)) else { return };
    let mut buffer = ImageBuffer::default();
    for index in 0..pack.train().len() {
        let _ = pack.train().image(index, &mut buffer);
    }
}
