//! The segments of a JPEG: ITU-T T.81, annex B.

use memchr::memchr;

use super::super::PictureError;

pub(super) const SOF_BASELINE: u8 = 0xc0;
pub(super) const SOF_EXTENDED: u8 = 0xc1;
pub(super) const SOF_PROGRESSIVE: u8 = 0xc2;
pub(super) const DHT: u8 = 0xc4;
pub(super) const DAC: u8 = 0xcc;
pub(super) const EOI: u8 = 0xd9;
pub(super) const SOS: u8 = 0xda;
pub(super) const DQT: u8 = 0xdb;
pub(super) const DRI: u8 = 0xdd;
pub(super) const APP0: u8 = 0xe0;
pub(super) const APP14: u8 = 0xee;

const SOI: u8 = 0xd8;
const TEM: u8 = 0x01;

/// Reads segment by segment.
pub(super) struct Segments<'a> {
    pub(super) encoded: &'a [u8],
    pub(super) position: usize,
}

/// A marker and what belongs to it; empty where nothing does.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Of the marker, from the start of the file.
    pub(super) offset: usize,
    /// From its marker on, all of it.
    pub(super) bytes: &'a [u8],
    /// Behind its length.
    pub(super) body: &'a [u8],
}

/// Whether this marker stands within coded data.
pub(super) fn is_restart(marker: u8) -> bool {
    (0xd0..=0xd7).contains(&marker)
}

impl<'a> Segments<'a> {
    /// Of this file, which begins as JPEGs do.
    pub(super) fn of(encoded: &'a [u8]) -> Self {
        Self { encoded, position: 2 }
    }

    /// The next segment; none where the file ends before it begins. What is no marker on the
    /// way is skipped, as everybody does.
    ///
    /// # Errors
    /// The file ends within it, or its length is none.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, PictureError> {
        loop {
            let Some(offset) = self.find_marker() else { return Ok(None) };
            let marker = self.encoded[offset + 1];
            self.position = offset + 2;
            if marker == EOI {
                return Ok(Some(Segment {
                    marker,
                    offset,
                    bytes: &self.encoded[offset..offset + 2],
                    body: &[],
                }));
            }
            if marker != SOI && marker != TEM && !is_restart(marker) {
                return self.with_body(marker, offset).map(Some);
            }
        }
    }

    /// Where the next marker is: `ff` and something that is neither `00` nor `ff`.
    pub(super) fn find_marker(&self) -> Option<usize> {
        let mut from = self.position;
        loop {
            let offset = from + memchr(0xff, self.encoded.get(from..)?)?;
            if !matches!(self.encoded.get(offset + 1)?, 0 | 0xff) {
                return Some(offset);
            }
            from = offset + 1;
        }
    }

    fn with_body(&mut self, marker: u8, offset: usize) -> Result<Segment<'a>, PictureError> {
        let found = self.encoded.len();
        let cut = PictureError::CutShort { found, missing: "the rest of a segment" };
        let Some(&[high, low]) = self.encoded.get(offset + 2..offset + 4) else { return Err(cut) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            let found = format!("a segment of {length} bytes");
            return Err(PictureError::Segment { offset: offset + 2, found, expected: "2 or more" });
        }
        let end = offset + 2 + length;
        let Some(bytes) = self.encoded.get(offset..end) else { return Err(cut) };
        self.position = end;
        Ok(Segment { marker, offset, bytes, body: &bytes[4..] })
    }
}
