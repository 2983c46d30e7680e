//! One IDX file: a stream that knows where it is and what its header promised.
//!
//! `0x0000TTDD` (type, dimensions), then each dimension as u32, big-endian, then the
//! values. Type 0x08 is u8, the only one that images and labels use.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;
use selffer_core::spec::ImageShape;

use super::ImportError;

const IMAGES_MAGIC: u32 = 0x0000_0803;
const LABELS_MAGIC: u32 = 0x0000_0801;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where the first label is, in bytes.
pub(super) const LABELS_AT: u64 = 8;
/// Where the images' height is, in bytes.
pub(super) const HEIGHT_AT: u64 = 8;
/// Where the images' width is, in bytes.
pub(super) const WIDTH_AT: u64 = 12;
const IMAGES_AT: u64 = 16;

/// A file of images, its header read.
pub(super) struct ImagesFile {
    stream: Stream,
    count: u64,
    shape: ImageShape,
}

impl ImagesFile {
    /// Opens the file and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let mut stream = Stream::open(path, IMAGES_AT)?;
        stream.expect_magic(IMAGES_MAGIC, "u8 images of rows and columns")?;
        let count = u64::from(stream.read_u32()?);
        let (height, width) = (stream.read_u32()?, stream.read_u32()?);
        let pixels = u64::from(height) * u64::from(width);
        // Saturating: a product that large is refused by its sides or by the file's end.
        stream.promised = IMAGES_AT.saturating_add(count.saturating_mul(pixels));
        Ok(Self { stream, count, shape: ImageShape { height, width, channels: 1 } })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.stream.path
    }

    /// How many images the header promises.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Their shape, unchecked.
    pub(super) fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Reads the next image.
    pub(super) fn read_image(&mut self, pixels: &mut [u8]) -> Result<(), ImportError> {
        self.stream.read(pixels)
    }

    /// Checks that nothing follows the last image.
    pub(super) fn expect_end(&mut self) -> Result<(), ImportError> {
        self.stream.expect_end()
    }
}

/// Reads a whole file of labels.
pub(super) fn read_labels(path: &Path) -> Result<Vec<u32>, ImportError> {
    let mut stream = Stream::open(path, LABELS_AT)?;
    stream.expect_magic(LABELS_MAGIC, "u8 labels")?;
    let count = stream.read_u32()?;
    stream.promised = LABELS_AT + u64::from(count);
    let mut labels = Vec::new();
    let mut buffer = [0; 4096];
    // In pieces, so that memory follows the file's length and not its promise.
    let mut left = count as usize;
    while left > 0 {
        let piece = &mut buffer[..left.min(4096)];
        stream.read(piece)?;
        labels.extend(piece.iter().map(|&label| u32::from(label)));
        left -= piece.len();
    }
    stream.expect_end()?;
    Ok(labels)
}

/// The bytes of a file, decompressed if need be.
struct Stream {
    path: PathBuf,
    reader: Box<dyn Read>,
    offset: u64,
    /// Where the file must end, as far as is known.
    promised: u64,
}

impl Stream {
    fn open(path: &Path, promised: u64) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Open { path: path.to_path_buf(), source };
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
        // By content, not by name: a `.gz` that was unpacked in place is still readable.
        let is_gzipped = file.fill_buf().map_err(failed)?.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn Read> = if is_gzipped {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        Ok(Self { path: path.to_path_buf(), reader, offset: 0, promised })
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), ImportError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => return Err(self.truncated()),
                Ok(count) => {
                    filled += count;
                    self.offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A gzip stream that ends early is a truncated file like any other.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.truncated()),
                Err(source) => return Err(self.unreadable(source)),
            }
        }
        Ok(())
    }

    fn read_u32(&mut self) -> Result<u32, ImportError> {
        let mut bytes = [0; 4];
        self.read(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn expect_magic(&mut self, expected: u32, what: &'static str) -> Result<(), ImportError> {
        let found = self.read_u32()?;
        if found == expected {
            return Ok(());
        }
        Err(ImportError::Magic { path: self.path_buf(), found, expected, what })
    }

    /// Checks that the file ends here; for a gzipped one this also verifies its checksum.
    fn expect_end(&mut self) -> Result<(), ImportError> {
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ImportError::Trailing { path: self.path_buf(), offset: self.offset }),
            Err(source) => Err(self.unreadable(source)),
        }
    }

    fn truncated(&self) -> ImportError {
        ImportError::Truncated { path: self.path_buf(), offset: self.offset, expected: self.promised }
    }

    fn unreadable(&self, source: io::Error) -> ImportError {
        ImportError::Read { path: self.path_buf(), offset: self.offset, source }
    }

    fn path_buf(&self) -> PathBuf {
        self.path.to_path_buf()
    }
}
