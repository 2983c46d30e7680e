//! The mean image: what is subtracted from every image before the first layer.
//!
//! Sums are whole numbers, so the result does not depend on the order of images, on the
//! number of threads or on the machine.

use rayon::prelude::*;

use crate::{ImageBuffer, Images, PackError, Selection};

/// Images summed in 16 bits: 256 · 255 = 65,280 fits.
const IMAGES_PER_BLOCK: usize = 256;

/// The mean of the selected images, for each row, column and channel; computed by rayon's
/// current threads.
///
/// `[H, W, C]`, in grey levels 0..=255. Exact sums, one division in f64, rounded once to
/// f32. An empty selection has a mean of 0.
///
/// # Errors
/// An image is coded and cannot be decoded.
pub fn mean_image(images: &Images, selection: &Selection) -> Result<Vec<f32>, PackError> {
    let zeros = || vec![0_u64; images.image_bytes()];
    let blocks = selection.indices.par_chunks(IMAGES_PER_BLOCK);
    let sums = blocks
        .try_fold(zeros, |mut sums, block| {
            add(&mut sums, &sums_of_block(images, block)?);
            Ok(sums)
        })
        .try_reduce(zeros, |mut one, other| {
            add(&mut one, &other);
            Ok(one)
        })?;
    let count = selection.len().max(1) as f64;
    Ok(sums.into_iter().map(|sum| (sum as f64 / count) as f32).collect())
}

/// Sums of at most [`IMAGES_PER_BLOCK`] images: narrow ones, which several lanes add at once.
fn sums_of_block(images: &Images, block: &[u32]) -> Result<Vec<u16>, PackError> {
    let mut buffer = ImageBuffer::default();
    let mut sums = vec![0_u16; images.image_bytes()];
    for &index in block {
        for (sum, &value) in sums.iter_mut().zip(images.image(index as usize, &mut buffer)?) {
            *sum += u16::from(value);
        }
    }
    Ok(sums)
}

fn add<T: Copy + Into<u64>>(sums: &mut [u64], others: &[T]) {
    for (sum, &other) in sums.iter_mut().zip(others) {
        *sum += other.into();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use selffer_core::{
        pack::Class,
        spec::{ImageShape, ImagesPerClass},
    };

    use super::*;
    use crate::{
        Pack, WriteError, select,
        shards::{PackWriter, SubsetImages},
    };

    /// A pack of so many images of one row: white, black, and their number's last byte.
    fn pack(count: usize) -> Pack {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("pack");
        let mut writer = PackWriter::create(&out, ImageShape { height: 1, width: 3, channels: 1 }).unwrap();
        let labels = vec![0; count];
        let mut subset = |name| {
            let mut index = 0_usize;
            let mut next_image = |pixels: &mut [u8]| {
                pixels.copy_from_slice(&[255, 0, index as u8]);
                index += 1;
                Ok::<(), WriteError>(())
            };
            let images = SubsetImages { name, labels: &labels, class_count: 2, next_image: &mut next_image };
            writer.write_subset(images).unwrap()
        };
        let (train, validation) = (subset("train"), subset("validation"));
        writer
            .finish(["x", "y"].map(Class::named).into(), BTreeMap::new(), train.subset, validation.subset)
            .unwrap();
        Pack::open(&out).unwrap()
    }

    #[test]
    fn the_mean_is_exact_for_any_number_of_images_and_threads() {
        for count in [1, 255, 256, 257, 1_000] {
            let pack = pack(count);
            let images = pack.train();
            let selection = select(images, &[0], ImagesPerClass::All);
            let sum: u64 = (0..count).map(|index| u64::from(index as u8)).sum();
            let expected = [255.0, 0.0, (sum as f64 / count as f64) as f32];
            for threads in [1, 2, 5] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mean = pool.install(|| mean_image(images, &selection)).unwrap();
                assert_eq!(mean, expected, "{count} images, {threads} threads");
            }
        }
    }

    #[test]
    fn the_mean_of_nothing_is_black() {
        let pack = pack(1);
        assert_eq!(mean_image(pack.train(), &Selection::default()).unwrap(), [0.0; 3]);
    }
}
