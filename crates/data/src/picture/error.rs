//! What can be wrong with one picture.
//!
//! Whoever has the picture's name adds it; here is only what its bytes say.

use zune_jpeg::errors::DecodeErrors;

/// The longest side of a picture, in pixels.
pub(super) const SIDE_MAX: u32 = 20_000;
/// The most pixels of a picture: what its decoding may take is bounded by them.
pub(super) const PIXELS_MAX: u64 = 100_000_000;

/// Why a picture cannot become an image.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Nothing at all.
    #[error("the picture has no bytes, expected a JPEG or PNG")]
    Empty,
    /// A file of a known kind that we do not read.
    #[error("this looks like {found}, expected a JPEG or PNG")]
    Kind {
        /// What it looks like.
        found: &'static str,
    },
    /// No kind of file that we know.
    #[error("the picture begins with bytes {first}, expected ff d8 ff of a JPEG or 89 50 4e 47 of a PNG")]
    Unknown {
        /// Its first bytes in hex.
        first: String,
    },
    /// Too small or too large a picture; nothing of its size was allocated.
    #[error(
        "picture of {width}x{height} pixels, but sides are 1 to {SIDE_MAX} and pixels at most {PIXELS_MAX}"
    )]
    Dimensions {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The file ends before the picture does: what is missing would be grey.
    #[error("the picture ends at byte {found}, but {missing} is still to come")]
    CutShort {
        /// Its length.
        found: usize,
        /// What is missing.
        missing: &'static str,
    },
    /// A JPEG of a kind that is hardly ever seen.
    #[error(
        "this is {found}, expected a baseline or progressive JPEG of 8 bits a sample in 1, 3 or 4 channels"
    )]
    Unsupported {
        /// What it is.
        found: String,
    },
    /// A JPEG whose structure contradicts itself.
    #[error("byte {offset}: {found}, expected {expected}")]
    Segment {
        /// From the start of the file.
        offset: usize,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// A JPEG whose contents the decoder refuses.
    #[error("the JPEG's data is damaged")]
    Jpeg {
        /// The decoder's words.
        #[source]
        source: DecodeErrors,
    },
    /// A PNG that the decoder refuses.
    #[error("the PNG's data is damaged")]
    Png {
        /// The decoder's words.
        #[source]
        source: png::DecodingError,
    },
    /// An image of a pack in another shape than the pack's.
    #[error(
        "image of {height}x{width} pixels and {channels} channels, expected {expected_height}x{expected_width} \
         and {expected_channels}"
    )]
    Shape {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
        /// Channels.
        channels: u32,
        /// Rows of the pack's images.
        expected_height: u32,
        /// Columns of the pack's images.
        expected_width: u32,
        /// Channels of the pack's images.
        expected_channels: u32,
    },
}

/// Whether a picture of this size is worth decoding.
pub(super) fn check_dimensions(width: u32, height: u32) -> Result<(), PictureError> {
    let side = 1..=SIDE_MAX;
    let fits = side.contains(&width) && side.contains(&height);
    if fits && u64::from(width) * u64::from(height) <= PIXELS_MAX {
        return Ok(());
    }
    Err(PictureError::Dimensions { width, height })
}
