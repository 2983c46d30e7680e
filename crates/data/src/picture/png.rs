//! PNGs to pixels.
//!
//! Of 16 bits the upper 8 are kept; palettes and grey are spread to three channels; alpha and
//! transparent colours are dropped, what lies under them shows; gamma and profiles are ignored.
//! Of an animation the first picture is read. Checksums are compared.

use std::io::Cursor;

use png::{ColorType, DecodeOptions, Decoder, DecodingError, Limits, Reader, Transformations};

use super::{
    PictureError,
    error::{PIXELS_MAX, check_dimensions},
};

/// The pixels `[height, width, 3]` of a PNG, red first; returns its width and height.
pub(super) fn decode(encoded: &[u8], pixels: &mut Vec<u8>) -> Result<(u32, u32), PictureError> {
    let failed = |source| failure(source, encoded.len());
    let mut reader = open(encoded).map_err(failed)?;
    let (width, height) = reader.info().size();
    let (colour, _) = reader.output_color_type();
    // The decoder's rows are 8 bits a sample: open() asked for that.
    let (pixel_count, samples) = (width as usize * height as usize, colour.samples());
    pixels.clear();
    pixels.resize(pixel_count * samples.max(3), 0);
    reader.next_frame(&mut pixels[..pixel_count * samples]).map_err(failed)?;
    match colour {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => spread(pixels, pixel_count, samples),
        ColorType::Rgba => drop_alpha(pixels),
        ColorType::Rgb | ColorType::Indexed => {}
    }
    pixels.truncate(pixel_count * 3);
    Ok((width, height))
}

/// Width and height by the header; it is all that is read.
pub(super) fn dimensions(encoded: &[u8]) -> Result<(u32, u32), PictureError> {
    let mut decoder = Decoder::new(Cursor::new(encoded));
    let info = decoder.read_header_info().map_err(|source| failure(source, encoded.len()))?;
    let (width, height) = info.size();
    check_dimensions(width, height)?;
    Ok((width, height))
}

fn open(encoded: &[u8]) -> Result<Reader<Cursor<&[u8]>>, DecodingError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_adler32(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(encoded), options);
    // At most 8 bytes a pixel; the number of pixels was checked.
    decoder.set_limits(Limits { bytes: PIXELS_MAX as usize * 8 });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.read_info()
}

fn failure(source: DecodingError, found: usize) -> PictureError {
    match &source {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            PictureError::CutShort { found, missing: "more of the PNG" }
        }
        _ => PictureError::Png { source },
    }
}

/// Grey, with `samples` a pixel of which the first counts, to three channels; from the end, for
/// what is written lies behind what is still to be read.
fn spread(pixels: &mut [u8], pixel_count: usize, samples: usize) {
    for index in (0..pixel_count).rev() {
        let grey = pixels[index * samples];
        pixels[index * 3..index * 3 + 3].fill(grey);
    }
}

fn drop_alpha(pixels: &mut [u8]) {
    for index in 0..pixels.len() / 4 {
        pixels.copy_within(index * 4..index * 4 + 3, index * 3);
    }
}
