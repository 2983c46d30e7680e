//! The embedded font, DejaVu Sans, as the figure library carries it.
//!
//! All our calls of that library are here. It offers the font only inside an SVG's style
//! sheet, so an empty figure is drawn and the font taken out of it.

use std::sync::OnceLock;

use kuva::{backend::svg::SvgBackend, render::render::Scene};

/// The font's name.
pub(super) const FAMILY: &str = "DejaVu Sans";

/// The font's faces as TrueType: regular, bold and others.
pub(super) fn faces() -> Vec<Vec<u8>> {
    static FACES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FACES
        .get_or_init(|| {
            extract(&SvgBackend::new().with_embedded_font(true).render_scene(&Scene::new(1.0, 1.0)))
        })
        .clone()
}

fn extract(svg: &str) -> Vec<Vec<u8>> {
    let data = svg.split("base64,").skip(1);
    data.filter_map(|rest| rest.split('\'').next()).map(decode_base64).collect()
}

/// RFC 4648; anything that is not of the alphabet ends the data.
fn decode_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| -> Option<u32> {
        Some(match byte {
            b'A'..=b'Z' => u32::from(byte - b'A'),
            b'a'..=b'z' => u32::from(byte - b'a') + 26,
            b'0'..=b'9' => u32::from(byte - b'0') + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        })
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0);
    for value in text.bytes().map_while(digit) {
        buffer = (buffer << 6 | value) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        assert_eq!(decode_base64("U2VsZmZlcg=="), b"Selffer");
    }

    #[test]
    fn the_embedded_font_is_there() {
        let faces = faces();
        assert_eq!(faces.len(), 4);
        // The first four bytes of TrueType.
        assert!(faces.iter().all(|face| face.starts_with(&[0, 1, 0, 0]) && face.len() > 100_000));
    }
}
