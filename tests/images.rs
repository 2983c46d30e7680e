//! A small image set in IDX form that a network can learn within seconds: each class is a
//! bright bar at its own place, on noise.

use std::{fs, io, path::Path};

/// Classes of the set.
pub const CLASSES: u8 = 10;
/// Side of an image in pixels.
pub const SIDE: usize = 28;

/// Writes the four usual IDX files into `folder`, with so many images of each class for
/// training and for validation. The same numbers always give the same bytes.
///
/// # Errors
/// When a file cannot be written.
pub fn write_idx(folder: &Path, train_per_class: usize, validation_per_class: usize) -> io::Result<()> {
    write_idx_of_side(folder, SIDE, train_per_class, validation_per_class)
}

/// The same with images of so many pixels a side.
///
/// # Errors
/// When a file cannot be written.
pub fn write_idx_of_side(
    folder: &Path,
    side: usize,
    train_per_class: usize,
    validation_per_class: usize,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    write_subset(folder, ("train", 1), side, train_per_class)?;
    write_subset(folder, ("t10k", 2), side, validation_per_class)
}

fn write_subset(folder: &Path, (prefix, seed): (&str, u32), side: usize, per_class: usize) -> io::Result<()> {
    let count = per_class * usize::from(CLASSES);
    let mut images = header(0x0803, &[count, side, side]);
    let mut labels = header(0x0801, &[count]);
    let mut noise = seed;
    for index in 0..count {
        let class = (index % usize::from(CLASSES)) as u8;
        labels.push(class);
        for pixel in 0..side * side {
            // In the pixels of the usual side.
            let (row, column) = (pixel / side * SIDE / side, pixel % side * SIDE / side);
            // A linear congruential step (Knuth's MMIX low half) is random enough for noise.
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let on_bar = match class {
                0..5 => row / 6 == usize::from(class),
                _ => column / 6 == usize::from(class - 5),
            };
            images.push(if on_bar { 160 } else { 0 } + (noise >> 25) as u8 / 2);
        }
    }
    fs::write(folder.join(format!("{prefix}-images-idx3-ubyte")), images)?;
    fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), labels)
}

fn header(magic: u32, sizes: &[usize]) -> Vec<u8> {
    let sizes = sizes.iter().map(|size| u32::try_from(*size).expect("a few thousand"));
    std::iter::once(magic).chain(sizes).flat_map(u32::to_be_bytes).collect()
}
