//! A picture of any size to a square.
//!
//! Bilinear over all pixels that fall into one, as Pillow's `BILINEAR` is; rows are computed
//! before columns, which may differ from Pillow's by one. Weights are made of additions,
//! multiplications and divisions of f64 and rounded to integers, and all pixels are summed in
//! integers: no machine comes to another result, with or without vector instructions.

use fast_image_resize::{
    FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::{U8, U8x3},
};
use selffer_core::pack::Resize;

/// Pixels `[height, width, channels]`, of 1 or 3 channels.
#[derive(Clone, Copy)]
pub(super) struct Picture<'a> {
    pub(super) pixels: &'a [u8],
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: u32,
}

/// Fills `square`, `[side, side, channels]`. A picture of just this size is copied.
pub(super) fn resize(
    resizer: &mut Resizer,
    picture: Picture<'_>,
    form: Resize,
    square: &mut [u8],
    side: u32,
) {
    let Picture { pixels, width, height, channels } = picture;
    if (width, height) == (side, side) {
        return square.copy_from_slice(pixels);
    }
    let (left, top, kept_width, kept_height) = kept(form, width, height);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left.into(), top.into(), kept_width.into(), kept_height.into())
        .use_alpha(false);
    match channels {
        1 => resample::<U8>(resizer, picture, &options, square, side),
        _ => resample::<U8x3>(resizer, picture, &options, square, side),
    }
}

// For two kinds of pixels only: the library's own choice among all would be compiled here.
fn resample<P: PixelTrait>(
    resizer: &mut Resizer,
    picture: Picture<'_>,
    options: &ResizeOptions,
    square: &mut [u8],
    side: u32,
) {
    let Picture { pixels, width, height, .. } = picture;
    let source = TypedImageRef::<P>::from_buffer(width, height, pixels).expect("as many pixels as it says");
    let mut target = TypedImage::<P>::from_buffer(side, side, square).expect("as many pixels as it says");
    resizer.resize_typed(&source, &mut target, options).expect("a crop within the source");
}

/// What becomes the square: left, top, width, height. Of a surplus that is odd the right, or
/// the lower, side loses one more; a crop between pixels would blur what need not be resampled.
fn kept(form: Resize, width: u32, height: u32) -> (u32, u32, u32, u32) {
    match form {
        Resize::Squash => (0, 0, width, height),
        Resize::ShortSide => {
            let short = width.min(height);
            ((width - short) / 2, (height - short) / 2, short, short)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_longer_side_is_kept() {
        assert_eq!(kept(Resize::ShortSide, 500, 375), (62, 0, 375, 375));
        assert_eq!(kept(Resize::ShortSide, 3, 20_000), (0, 9_998, 3, 3));
        assert_eq!(kept(Resize::Squash, 500, 375), (0, 0, 500, 375));
    }

    #[test]
    fn a_crop_that_fits_is_not_resampled() {
        let pixels: Vec<u8> = (0..7 * 4).collect();
        let picture = Picture { pixels: &pixels, width: 7, height: 4, channels: 1 };
        let mut square = [0; 16];

        resize(&mut Resizer::new(), picture, Resize::ShortSide, &mut square, 4);

        assert_eq!(square, [1, 2, 3, 4, 8, 9, 10, 11, 15, 16, 17, 18, 22, 23, 24, 25]);
    }
}
