//! JPEGs to pixels.
//!
//! A decoder makes something of nearly everything: of a file that is cut short it makes a picture
//! with grey rows. So the file is first read into a stream of our making, segment by segment:
//! what the decoder needs, in order, and behind all coded data bits that no code begins with
//! (ones: the standard keeps them free). Who needs more data than is there meets them and fails.
//! Only of the very last block a number's last bits can be missing unseen. What the decoder does
//! not need, orientation, profiles and garbage behind the end, is left out.

mod frame;
mod segments;
mod stream;

use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

use super::{PictureError, error::SIDE_MAX};
pub(super) use frame::Frame;

/// What pixels are decoded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Red, green, blue.
    Rgb,
    /// One channel; for a JPEG of one channel only.
    Grey,
}

/// A JPEG as the decoder gets it; keeps its room from one to the next.
#[derive(Debug, Default)]
pub(super) struct JpegStream {
    bytes: Vec<u8>,
    frame: Option<Frame>,
    end: End,
    encoded_bytes: usize,
}

/// How the file ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    /// By the marker that says so.
    #[default]
    Marked,
    /// Without; the last data may be whole all the same.
    Missing,
}

impl JpegStream {
    /// Reads a file's segments and checks its size; nothing is decoded yet.
    pub(super) fn read(&mut self, encoded: &[u8]) -> Result<Frame, PictureError> {
        let (frame, end) = stream::write(encoded, &mut self.bytes)?;
        self.frame = Some(frame);
        self.end = end;
        self.encoded_bytes = encoded.len();
        Ok(frame)
    }

    /// Decodes what was read last to `[height, width, channels]`; returns its width and height.
    pub(super) fn decode(&self, layout: Layout, pixels: &mut Vec<u8>) -> Result<(u32, u32), PictureError> {
        let frame = self.frame.expect("read() was called before");
        let (width, height) = frame.dimensions();
        let (space, channels) = match layout {
            Layout::Grey => (ColorSpace::Luma, 1),
            Layout::Rgb => (ColorSpace::RGB, 3),
        };
        // All is set to zero: should the decoder leave a pixel out, it is at least the same
        // everywhere.
        pixels.clear();
        pixels.resize(width as usize * height as usize * channels, 0);
        self.decode_into(space, pixels).map_err(|source| self.failure(source))?;
        Ok((width, height))
    }

    fn decode_into(&self, space: ColorSpace, pixels: &mut [u8]) -> Result<(), DecodeErrors> {
        let options = DecoderOptions::new_fast()
            .set_strict_mode(true)
            .set_max_width(SIDE_MAX as usize)
            .set_max_height(SIDE_MAX as usize)
            .jpeg_set_out_colorspace(space);
        JpegDecoder::new_with_options(ZCursor::new(self.bytes.as_slice()), options).decode_into(pixels)
    }

    fn failure(&self, source: DecodeErrors) -> PictureError {
        match self.end {
            End::Marked => PictureError::Jpeg { source },
            End::Missing => {
                PictureError::CutShort { found: self.encoded_bytes, missing: "more of the JPEG's data" }
            }
        }
    }
}
