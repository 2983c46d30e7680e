//! Figures as PNG, drawn with an embedded font: the same on a machine without any fonts.

mod font;

use std::sync::Arc;

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

/// The widest picture, in pixels.
const SIDE_MAX: u32 = 16_384;

/// Why a figure cannot be drawn as PNG.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// Not an SVG that can be drawn.
    #[error("figure is not a drawable svg")]
    Svg(#[source] resvg::usvg::Error),
    /// Too large, or nothing at all.
    #[error("picture would be {width}x{height} pixels, expected sides of 1 to {SIDE_MAX}")]
    Size {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The picture cannot be compressed.
    #[error("picture cannot be encoded as png: {0}")]
    Encode(String),
}

/// Draws an SVG as PNG, `scale` pixels for each of its own.
///
/// # Errors
/// The text is no SVG, or the picture would be too large.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, PngError> {
    let mut fonts = Database::new();
    for face in font::faces() {
        fonts.load_font_data(face);
    }
    let options =
        Options { font_family: font::FAMILY.to_owned(), fontdb: Arc::new(fonts), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(PngError::Svg)?;
    let size = tree.size();
    let [width, height] = [size.width(), size.height()].map(|side| (side * scale).round() as u32);
    let fits = |side: u32| (1..=SIDE_MAX).contains(&side);
    let mut pixmap = Some(())
        .filter(|()| fits(width) && fits(height))
        .and_then(|()| Pixmap::new(width, height))
        .ok_or(PngError::Size { width, height })?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| PngError::Encode(error.to_string()))
}
