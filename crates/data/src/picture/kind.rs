//! What a file is, told by its first bytes; names lie too often.

use super::PictureError;

/// The kinds of pictures that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Jpeg,
    Png,
}

// How other files begin, and what to call them.
const OTHERS: &[(&[u8], &str)] = &[
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
];
// So many first bytes are quoted, or looked at for being text.
const QUOTED_BYTES: usize = 8;
const TEXT_BYTES: usize = 64;

/// Tells which of our kinds this is.
pub(super) fn kind(encoded: &[u8]) -> Result<Kind, PictureError> {
    if encoded.is_empty() {
        return Err(PictureError::Empty);
    }
    // Two bytes are enough: a JPEG that is cut short there is to be called one.
    if encoded.starts_with(b"\xff\xd8") {
        return Ok(Kind::Jpeg);
    }
    if encoded.starts_with(b"\x89PNG") {
        return Ok(Kind::Png);
    }
    if encoded.starts_with(b"RIFF") && encoded.get(8..12) == Some(b"WEBP") {
        return Err(PictureError::Kind { found: "a WebP" });
    }
    if encoded.get(4..8) == Some(b"ftyp") {
        return Err(PictureError::Kind { found: "an AVIF, HEIC or MP4" });
    }
    if let Some((_, found)) = OTHERS.iter().find(|(start, _)| encoded.starts_with(start)) {
        return Err(PictureError::Kind { found });
    }
    let first = &encoded[..encoded.len().min(TEXT_BYTES)];
    if first.trim_ascii_start().starts_with(b"<") {
        return Err(PictureError::Kind { found: "HTML or XML" });
    }
    if first.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return Err(PictureError::Kind { found: "text" });
    }
    let quoted: Vec<_> = first.iter().take(QUOTED_BYTES).map(|byte| format!("{byte:02x}")).collect();
    Err(PictureError::Unknown { first: quoted.join(" ") })
}
