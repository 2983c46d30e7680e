//! One PNG of images, a row of pixels each: its header checked, its rows read one by one.
//!
//! Pixels are taken as stored: whatever a PNG may say about gamma or profiles is ignored, so
//! that they are the same on every machine. Checksums are compared.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use png::{ColorType, DecodeOptions, Decoder, Info};

use super::{IMAGE, ImportError};

/// Pixels of a row.
const WIDTH: u32 = IMAGE.height * IMAGE.width;
/// The only form of pixels that is read; see [`form`].
const FORM: &str = "8-bit RGB";
/// The chunk that every PNG ends with: no data, its name, its checksum.
const END_CHUNK: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// A file of images, its header read.
pub(super) struct ImagesFile {
    path: PathBuf,
    reader: png::Reader<BufReader<File>>,
    rows: u32,
    // How many are read.
    row: u32,
}

impl ImagesFile {
    /// Opens the file, reads its header, and looks whether it is whole.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Open { path: path.to_path_buf(), source };
        let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
        let mut options = DecodeOptions::default();
        options.set_ignore_checksums(false);
        options.set_ignore_text_chunk(true);
        options.set_ignore_iccp_chunk(true);
        let reader = Decoder::new_with_options(file, options)
            .read_info()
            .map_err(|source| ImportError::Decode { path: path.to_path_buf(), row: 0, source })?;
        check_header(path, reader.info())?;
        if !ends_as_png(path).map_err(failed)? {
            return Err(ImportError::End { path: path.to_path_buf() });
        }
        let rows = reader.info().height;
        Ok(Self { path: path.to_path_buf(), reader, rows, row: 0 })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many images it has; at least one.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Whether all its images were read.
    pub(super) fn is_read(&self) -> bool {
        self.row == self.rows
    }

    /// Reads the next image, and after the last one the file's end.
    pub(super) fn read_row(&mut self, pixels: &mut [u8]) -> Result<(), ImportError> {
        let failed = |row| {
            let path = self.path.clone();
            move |source| ImportError::Decode { path, row, source }
        };
        self.reader.read_row(pixels).map_err(failed(self.row))?;
        self.row += 1;
        if self.is_read() {
            self.reader.finish().map_err(failed(self.row))?;
        }
        Ok(())
    }
}

fn check_header(path: &Path, info: &Info<'_>) -> Result<(), ImportError> {
    let found = form(info);
    if found != FORM {
        return Err(ImportError::Form { path: path.to_path_buf(), found, expected: FORM });
    }
    if info.width != WIDTH {
        return Err(ImportError::Width { path: path.to_path_buf(), found: info.width, expected: WIDTH });
    }
    Ok(())
}

/// How pixels are stored, for people.
fn form(info: &Info<'_>) -> String {
    let colour = match info.color_type {
        ColorType::Grayscale => "grey",
        ColorType::Rgb => "RGB",
        ColorType::Indexed => "palette",
        ColorType::GrayscaleAlpha => "grey and alpha",
        ColorType::Rgba => "RGB and alpha",
    };
    let interlaced = if info.interlaced { ", interlaced" } else { "" };
    let animated = if info.animation_control.is_some() { ", animated" } else { "" };
    format!("{}-bit {colour}{interlaced}{animated}", info.bit_depth as u8)
}

/// Whether the file's last bytes are a PNG's: it is neither cut short nor longer than that.
fn ends_as_png(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut end = [0; END_CHUNK.len()];
    file.seek(SeekFrom::End(-(END_CHUNK.len() as i64)))?;
    file.read_exact(&mut end)?;
    Ok(end == END_CHUNK)
}
