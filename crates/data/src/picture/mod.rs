//! Pictures as people have them, JPEG or PNG of any size, to images of one shape.
//!
//! The same picture gives the same bytes on every machine. That rests on integers: the decoders
//! compute in nothing else, on all their vector paths to the same bits, and the resampling's
//! weights are rounded to integers from sums and products that IEEE 754 fixes ([`resize`]).
//! Orientation, profiles and gamma are ignored, as they were by those whose results we repeat.
//!
//! A picture is taken whole or refused. In files of a hundred million pixels one is decoded at
//! a time; otherwise each thread holds what one picture needs.

mod code;
mod error;
mod jpeg;
mod kind;
mod png;
mod resize;

use std::sync::{Mutex, PoisonError};

use fast_image_resize::Resizer;
use selffer_core::pack::{ChannelOrder, Preparation};

pub(crate) use code::{CodedImages, CodedRoom, code};
pub use error::PictureError;

use jpeg::{JpegStream, Layout};
use kind::Kind;
use resize::Picture;

/// Pictures of more pixels are decoded one at a time in the whole process.
const LARGE_PIXELS: u64 = 16_000_000;
static LARGE: Mutex<()> = Mutex::new(());

/// Prepares pictures, one after the other; each thread has its own.
pub(crate) struct Preparer {
    preparation: Preparation,
    stream: JpegStream,
    pixels: Vec<u8>,
    resizer: Resizer,
}

impl Preparer {
    /// Prepares pictures in this way.
    pub(crate) fn new(preparation: Preparation) -> Self {
        Self { preparation, stream: JpegStream::default(), pixels: Vec::new(), resizer: Resizer::new() }
    }

    /// Makes a picture an image.
    ///
    /// - `encoded`: a whole JPEG or PNG
    /// - `pixels`: `[side, side, channels]` of the preparation; undefined after an error
    ///
    /// # Errors
    /// The picture is not one, is of an unusual kind or size, damaged, or not whole.
    pub(crate) fn prepare(&mut self, encoded: &[u8], pixels: &mut [u8]) -> Result<(), PictureError> {
        let kind = kind::kind(encoded)?;
        let (width, height) = match kind {
            Kind::Jpeg => self.stream.read(encoded)?.dimensions(),
            Kind::Png => png::dimensions(encoded)?,
        };
        if u64::from(width) * u64::from(height) <= LARGE_PIXELS {
            return self.decode_and_resize(kind, encoded, pixels);
        }
        // The lock protects no data: whoever panicked with it left nothing behind.
        let alone = LARGE.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = self.decode_and_resize(kind, encoded, pixels);
        *self = Self::new(self.preparation);
        drop(alone);
        prepared
    }

    fn decode_and_resize(
        &mut self,
        kind: Kind,
        encoded: &[u8],
        square: &mut [u8],
    ) -> Result<(), PictureError> {
        let (width, height) = match kind {
            Kind::Jpeg => self.stream.decode(Layout::Rgb, &mut self.pixels)?,
            Kind::Png => png::decode(encoded, &mut self.pixels)?,
        };
        let Preparation { resize: form, side, channels: order } = self.preparation;
        if order == ChannelOrder::Grey {
            make_grey(&mut self.pixels);
        }
        let picture = Picture { pixels: &self.pixels, width, height, channels: order.count() };
        resize::resize(&mut self.resizer, picture, form, square, side);
        if order == ChannelOrder::Bgr {
            swap_red_and_blue(square);
        }
        Ok(())
    }
}

/// Red, green and blue to luma, by the formula of [`ChannelOrder::Grey`], rounded.
fn make_grey(pixels: &mut Vec<u8>) {
    let pixel_count = pixels.len() / 3;
    for index in 0..pixel_count {
        let [red, green, blue] = [0, 1, 2].map(|channel| u32::from(pixels[index * 3 + channel]));
        pixels[index] = ((299 * red + 587 * green + 114 * blue + 500) / 1000) as u8;
    }
    pixels.truncate(pixel_count);
}

fn swap_red_and_blue(pixels: &mut [u8]) {
    for pixel in pixels.chunks_exact_mut(3) {
        pixel.swap(0, 2);
    }
}

#[cfg(test)]
mod tests;
