//! Records: a label, or a coarse and a fine one, then red, green and blue of 32×32 pixels.

use std::{io::Read, path::PathBuf};

use super::{IMAGE, ImportError, source::Source};

/// Pixels of an image, and bytes of one of its colours.
const PIXELS: usize = (IMAGE.height * IMAGE.width) as usize;

/// A file of records.
pub(super) struct RecordFile {
    file: PathBuf,
    reader: Box<dyn Read>,
    // Length of the record: its labels' and its pixels'.
    buffer: Vec<u8>,
    records: u64,
    record: u64,
}

impl RecordFile {
    /// Opens the file of this name, whose records have this many labels.
    pub(super) fn open(source: &Source, name: &str, labels: usize) -> Result<Self, ImportError> {
        let buffer = vec![0; labels + 3 * PIXELS];
        let (file, record_bytes) = (source.file(name), buffer.len() as u64);
        let bytes = source.bytes(name).unwrap_or_default();
        if !bytes.is_multiple_of(record_bytes) {
            return Err(ImportError::Length { file, bytes, record_bytes });
        }
        let reader = source.read(name)?;
        Ok(Self { file, reader, buffer, records: bytes / record_bytes, record: 0 })
    }

    /// Where it is.
    pub(super) fn file(&self) -> PathBuf {
        self.file.clone()
    }

    /// How many records it has.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Whether all records were read.
    pub(super) fn is_read(&self) -> bool {
        self.record == self.records
    }

    /// Reads the next record and returns its number.
    pub(super) fn next(&mut self) -> Result<u64, ImportError> {
        let record = self.record;
        self.reader.read_exact(&mut self.buffer).map_err(|source| ImportError::Record {
            file: self.file.clone(),
            record,
            source,
        })?;
        self.record += 1;
        Ok(record)
    }

    /// The labels of the record that was read last.
    pub(super) fn labels(&self) -> &[u8] {
        &self.buffer[..self.buffer.len() - 3 * PIXELS]
    }

    /// The image of the record that was read last, as rows of RGB.
    pub(super) fn copy_image(&self, pixels: &mut [u8]) {
        let planes = &self.buffer[self.buffer.len() - 3 * PIXELS..];
        for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&[planes[at], planes[PIXELS + at], planes[2 * PIXELS + at]]);
        }
    }
}
