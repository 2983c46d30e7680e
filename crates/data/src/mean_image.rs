//! The mean image: what is subtracted from every image before the first layer.
//!
//! Sums are whole numbers, so the result does not depend on the order of images, on the
//! number of threads or on the machine.

use crate::{ImageBuffer, Images, PackError, Selection};

/// The mean of the selected images, for each row, column and channel.
///
/// `[H, W, C]`, in grey levels 0..=255. Exact sums, one division in f64, rounded once to
/// f32. An empty selection has a mean of 0.
///
/// # Errors
/// An image is coded and cannot be decoded.
pub fn mean_image(images: &Images, selection: &Selection) -> Result<Vec<f32>, PackError> {
    let mut buffer = ImageBuffer::default();
    let mut sums = vec![0_u64; images.image_bytes()];
    for &index in &selection.indices {
        for (sum, &value) in sums.iter_mut().zip(images.image(index as usize, &mut buffer)?) {
            *sum += u64::from(value);
        }
    }
    let count = selection.len().max(1) as f64;
    Ok(sums.into_iter().map(|sum| (sum as f64 / count) as f32).collect())
}
