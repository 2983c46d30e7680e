//! Images as JPEGs within a pack's shards.
//!
//! Coded without subsampling, in one scan, with the standard's tables: the same pixels give the
//! same bytes on every machine, for the encoder computes in integers and is built without its
//! vector paths. Decoded as any JPEG is, with its size checked first.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use selffer_core::{
    pack::{ChannelOrder, PackManifest, Preparation},
    spec::ImageShape,
};

use super::{
    PictureError,
    jpeg::{JpegStream, Layout},
    swap_red_and_blue,
};

/// A JPEG of an image's pixels `[H, W, C]`, of this quality in libjpeg's scale.
///
/// # Panics
/// If there are not as many pixels as the shape says, or it is not that of a pack's images.
pub(crate) fn code(pixels: &[u8], shape: ImageShape, order: ChannelOrder, quality: u8) -> Vec<u8> {
    let side = |side: u32| u16::try_from(side).expect("a pack's images have sides of at most 4096");
    let colour = match order {
        ChannelOrder::Rgb => ColorType::Rgb,
        ChannelOrder::Bgr => ColorType::Bgr,
        ChannelOrder::Grey => ColorType::Luma,
    };
    let mut coded = Vec::with_capacity(pixels.len() / 4);
    let mut encoder = Encoder::new(&mut coded, quality);
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    encoder
        .encode(pixels, side(shape.width), side(shape.height), colour)
        .expect("a pack's image has sides above 0 and all its pixels, and memory does not refuse");
    coded
}

/// What a pack's coded images are; decodes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodedImages {
    shape: ImageShape,
    order: ChannelOrder,
}

/// Room for decoding one coded image after another.
#[derive(Debug, Default)]
pub(crate) struct CodedRoom {
    stream: JpegStream,
    pixels: Vec<u8>,
}

impl CodedImages {
    /// Those of the pack with this manifest.
    pub(crate) fn of(manifest: &PackManifest) -> Self {
        Self { shape: manifest.image, order: Self::order_of(manifest.image, manifest.preparation) }
    }

    /// The order of a pack's channels; where nothing says that of three, red, green, blue.
    pub(crate) fn order_of(shape: ImageShape, preparation: Option<Preparation>) -> ChannelOrder {
        let plain = if shape.channels == 1 { ChannelOrder::Grey } else { ChannelOrder::Rgb };
        preparation.map_or(plain, |preparation| preparation.channels)
    }

    /// Pixels `[H, W, C]` of a coded image.
    ///
    /// # Errors
    /// It is no whole JPEG, or of another shape than the pack's images.
    pub(crate) fn decode<'a>(self, coded: &[u8], room: &'a mut CodedRoom) -> Result<&'a [u8], PictureError> {
        let frame = room.stream.read(coded)?;
        let (width, height) = frame.dimensions();
        let found = ImageShape { height, width, channels: frame.channels() };
        if found != self.shape {
            return Err(PictureError::Shape {
                height,
                width,
                channels: found.channels,
                expected_height: self.shape.height,
                expected_width: self.shape.width,
                expected_channels: self.shape.channels,
            });
        }
        let layout = if self.shape.channels == 1 { Layout::Grey } else { Layout::Rgb };
        room.stream.decode(layout, &mut room.pixels)?;
        if self.order == ChannelOrder::Bgr {
            swap_red_and_blue(&mut room.pixels);
        }
        Ok(&room.pixels)
    }
}
