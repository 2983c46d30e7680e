//! What a JPEG says of itself before its data: size, channels and what they mean.

use super::{
    super::{PictureError, error::check_dimensions},
    segments::{SOF_BASELINE, SOF_EXTENDED, SOF_PROGRESSIVE, Segment},
};

/// Channels of a frame at most.
pub(super) const CHANNELS_MAX: usize = 4;

/// The head of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Frame {
    width: u32,
    height: u32,
    coding: Coding,
    channels: [Channel; CHANNELS_MAX],
    count: usize,
    colour: Colour,
}

/// How the data is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// All of a block at once.
    Sequential,
    /// Coarse to fine, in scans.
    Progressive,
}

/// What the channels mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    Ycbcr,
    Rgb,
    /// As Photoshop writes it, 255 for no ink; others do not say, and everybody reads theirs so.
    Cmyk,
    /// As Photoshop writes it.
    Ycck,
}

/// One channel as the frame has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) id: u8,
    /// Horizontal and vertical.
    pub(super) sampling: (u8, u8),
}

/// What was said before the frame of what its colours mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ColourHints {
    /// There was a JFIF segment.
    pub(super) jfif: Option<()>,
    /// Adobe's transform.
    pub(super) adobe: Option<u8>,
}

impl Frame {
    /// Columns and rows.
    pub(in super::super) fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// How many channels its pixels have.
    pub(in super::super) fn channels(&self) -> u32 {
        self.count as u32
    }

    pub(super) fn colour(&self) -> Colour {
        self.colour
    }

    pub(super) fn coding(&self) -> Coding {
        self.coding
    }

    /// Its channels in order.
    pub(super) fn listed(&self) -> &[Channel] {
        &self.channels[..self.count]
    }

    /// Says what the colours mean, as libjpeg understands it: JFIF goes before Adobe, and both
    /// before the channels' names.
    pub(super) fn with_colour(self, hints: ColourHints) -> Self {
        let is_named_rgb = self.listed().iter().map(|channel| channel.id).eq(*b"RGB");
        let colour = match (self.count, hints) {
            (1, _) => Colour::Grey,
            (3, ColourHints { jfif: Some(()), .. }) => Colour::Ycbcr,
            (3, ColourHints { adobe: Some(0), .. }) => Colour::Rgb,
            (3, ColourHints { adobe: None, .. }) if is_named_rgb => Colour::Rgb,
            (3, _) => Colour::Ycbcr,
            (_, ColourHints { adobe: None | Some(0), .. }) => Colour::Cmyk,
            _ => Colour::Ycck,
        };
        Self { colour, ..self }
    }

    /// Reads a frame's segment, whatever its coding.
    pub(super) fn read(segment: &Segment<'_>) -> Result<Self, PictureError> {
        let coding = coding(segment.marker)?;
        let malformed =
            |found: String, expected| PictureError::Segment { offset: segment.offset, found, expected };
        let &[precision, top, bottom, left, right, count, ref listed @ ..] = segment.body else {
            let found = format!("a frame of {} bytes", segment.body.len());
            return Err(malformed(found, "6 and 3 for each channel"));
        };
        let (height, width) = (u16::from_be_bytes([top, bottom]), u16::from_be_bytes([left, right]));
        check_form(precision, count, height)?;
        check_dimensions(width.into(), height.into())?;
        let count = usize::from(count);
        if listed.len() != count * 3 {
            let found = format!("a frame of {count} channels in {} bytes", listed.len());
            return Err(malformed(found, "3 for each channel"));
        }
        let mut channels = [Channel::default(); CHANNELS_MAX];
        for (channel, bytes) in channels.iter_mut().zip(listed.chunks_exact(3)) {
            *channel = Channel { id: bytes[0], sampling: (bytes[1] >> 4, bytes[1] & 15) };
            if !(1..=4).contains(&channel.sampling.0) || !(1..=4).contains(&channel.sampling.1) {
                let found = format!("sampling of {}x{}", channel.sampling.0, channel.sampling.1);
                return Err(malformed(found, "1 to 4 each way"));
            }
        }
        let (width, height, colour) = (width.into(), height.into(), Colour::Ycbcr);
        Ok(Self { width, height, coding, channels, count, colour })
    }
}

fn check_form(precision: u8, count: u8, height: u16) -> Result<(), PictureError> {
    let found = if precision != 8 {
        format!("a JPEG of {precision} bits a sample")
    } else if !matches!(count, 1 | 3 | 4) {
        format!("a JPEG of {count} channels")
    } else if height == 0 {
        "a JPEG that says its height at its end".to_owned()
    } else {
        return Ok(());
    };
    Err(PictureError::Unsupported { found })
}

fn coding(marker: u8) -> Result<Coding, PictureError> {
    let found = match marker {
        SOF_BASELINE | SOF_EXTENDED => return Ok(Coding::Sequential),
        SOF_PROGRESSIVE => return Ok(Coding::Progressive),
        0xc3 => "a lossless JPEG",
        0xc5..=0xc7 => "a hierarchical JPEG",
        _ => "a JPEG in arithmetic coding",
    };
    Err(PictureError::Unsupported { found: found.to_owned() })
}
