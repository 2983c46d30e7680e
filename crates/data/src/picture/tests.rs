//! Pictures that become images, the same on every path, and pictures that are refused.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use selffer_core::{
    pack::{ChannelOrder, Preparation, Resize},
    spec::ImageShape,
};
use zune_core::{bytestream::ZCursor, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{Preparer, code};

/// Waves, steps and speckles: what is coded takes every path of the decoder.
fn pixels(width: usize, height: usize, seed: usize) -> Vec<u8> {
    let pixel = |index: usize| {
        let (x, y, channel) = (index / 3 % width, index / 3 / width, index % 3);
        let speckle = (index * 2_654_435_761 + seed * 97) >> 7 & 31;
        (x * (seed % 7 + 1) / 2 + y * (seed % 5) + channel * 40 + speckle) as u8
    };
    (0..width * height * 3).map(pixel).collect()
}

fn jpeg((width, height): (usize, usize), seed: usize, set: impl Fn(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut coded = Vec::new();
    let mut encoder = Encoder::new(&mut coded, 1 + (seed * 13 % 100) as u8);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    set(&mut encoder);
    let pixels = pixels(width, height, seed);
    encoder.encode(&pixels, width as u16, height as u16, ColorType::Rgb).unwrap();
    coded
}

fn png((width, height): (u32, u32), colour: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

fn prepared(encoded: &[u8], side: u32, channels: ChannelOrder) -> Vec<u8> {
    let mut pixels = vec![0; (side * side * channels.count()) as usize];
    Preparer::new(Preparation { resize: Resize::Squash, side, channels })
        .prepare(encoded, &mut pixels)
        .unwrap();
    pixels
}

/// The error and its causes.
fn refusal(encoded: &[u8]) -> String {
    let preparation = Preparation { resize: Resize::ShortSide, side: 8, channels: ChannelOrder::Rgb };
    let error = Preparer::new(preparation).prepare(encoded, &mut [0; 8 * 8 * 3]).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn replaced(mut bytes: Vec<u8>, offset: usize, with: &[u8]) -> Vec<u8> {
    bytes[offset..offset + with.len()].copy_from_slice(with);
    bytes
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

#[test]
fn vector_and_scalar_instructions_decode_to_the_same_bytes_as_ours() {
    use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2};
    for seed in 0..240 {
        let side = 1 + seed * 31 % 97;
        let coded = jpeg((side, side), seed, |encoder| {
            encoder.set_sampling_factor([F_1_1, F_2_1, F_1_2, F_2_2][seed % 4]);
            encoder.set_progressive(seed % 3 == 0);
            if seed % 5 == 0 {
                encoder.set_restart_interval(1 + (seed % 4) as u16);
            }
        });
        let decode = |options| JpegDecoder::new_with_options(ZCursor::new(&coded), options).decode().unwrap();

        let ours = prepared(&coded, side as u32, ChannelOrder::Rgb);

        assert_eq!(ours, decode(DecoderOptions::new_safe()), "scalar, seed {seed}");
        assert_eq!(ours, decode(DecoderOptions::new_fast()), "vector, seed {seed}");
    }
}

#[test]
fn every_form_of_png_becomes_three_channels() {
    use png::{
        BitDepth::{Eight, One, Sixteen},
        ColorType::{Grayscale, GrayscaleAlpha, Rgb, Rgba},
    };
    let of = |colour, depth, data: &[u8]| prepared(&png((2, 2), colour, depth, data), 2, ChannelOrder::Rgb);
    assert_eq!(of(Grayscale, Eight, &[1, 2, 3, 4]), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    assert_eq!(of(GrayscaleAlpha, Eight, &[1, 9, 2, 9, 3, 9, 4, 0]), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    assert_eq!(of(Grayscale, One, &[0x40, 0x80]), [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0]);
    assert_eq!(of(Grayscale, Sixteen, &[1, 255, 2, 0, 3, 0, 4, 0]), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    let rgb: Vec<u8> = (0..12).collect();
    assert_eq!(of(Rgb, Eight, &rgb), rgb);
    let rgba: Vec<u8> = rgb.chunks(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 7]).collect();
    assert_eq!(of(Rgba, Eight, &rgba), rgb);
}

#[test]
fn channels_come_in_the_order_asked_for() {
    let encoded = png((1, 1), png::ColorType::Rgb, png::BitDepth::Eight, &[200, 100, 50]);
    assert_eq!(prepared(&encoded, 1, ChannelOrder::Bgr), [50, 100, 200]);
    // (299 · 200 + 587 · 100 + 114 · 50) / 1000 = 124.2
    assert_eq!(prepared(&encoded, 1, ChannelOrder::Grey), [124]);
}

#[test]
fn a_jpeg_without_its_end_or_with_garbage_behind_it_is_whole() {
    for is_progressive in [false, true] {
        let coded = jpeg((40, 40), 6, |encoder| encoder.set_progressive(is_progressive));
        let expected = prepared(&coded, 40, ChannelOrder::Rgb);
        let garbage = [coded.as_slice(), b"\xff\xd8\xff\xc0 garbage"].concat();

        assert_eq!(prepared(&coded[..coded.len() - 2], 40, ChannelOrder::Rgb), expected);
        assert_eq!(prepared(&garbage, 40, ChannelOrder::Rgb), expected);
    }
}

#[test]
fn a_jpeg_that_is_cut_short_is_refused_wherever_that_is() {
    for is_progressive in [false, true] {
        let coded = jpeg((24, 24), 6, |encoder| encoder.set_progressive(is_progressive));
        // The end and one byte of data can be missing unseen.
        for length in 2..coded.len() - 3 {
            let message = refusal(&coded[..length]);
            assert!(message.starts_with(&format!("the picture ends at byte {length}, but ")), "{message}");
        }
    }
}

#[test]
fn a_jpeg_whose_data_ends_early_is_refused_though_it_has_an_end() {
    let coded = jpeg((64, 64), 6, |_| {});
    let damaged = [&coded[..coded.len() / 2 + 300], b"\xff\xd9"].concat();
    assert!(refusal(&damaged).starts_with("the JPEG's data is damaged: "), "{}", refusal(&damaged));
}

#[test]
fn what_is_no_picture_is_named() {
    let says = |encoded: &[u8], found: &str| {
        assert_eq!(refusal(encoded), format!("this looks like {found}, expected a JPEG or PNG"));
    };
    says(b"GIF89a..", "a GIF");
    says(b"BM\x36\x10\0\0", "a BMP");
    says(b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP");
    says(b"II*\0\x08\0\0\0", "a TIFF");
    says(b"\n<!DOCTYPE html><html>", "HTML or XML");
    says(b"404: not found\n", "text");
    says(b"\0\0\0\x1cftypavif", "an AVIF, HEIC or MP4");
    assert_eq!(refusal(b""), "the picture has no bytes, expected a JPEG or PNG");
    let unknown =
        "the picture begins with bytes 00 01 02, expected ff d8 ff of a JPEG or 89 50 4e 47 of a PNG";
    assert_eq!(refusal(&[0, 1, 2]), unknown);
}

#[test]
fn a_size_beyond_all_pictures_is_refused_before_it_costs_memory() {
    let coded = jpeg((8, 8), 1, |_| {});
    let frame = find(&coded, b"\xff\xc0");
    let sized = |size: &[u8]| refusal(&replaced(coded.clone(), frame + 5, size));
    let limits = "but sides are 1 to 20000 and pixels at most 100000000";
    assert_eq!(sized(&[0xff, 0xff, 0, 8]), format!("picture of 8x65535 pixels, {limits}"));
    assert_eq!(sized(&[0x4e, 0x20, 0x4e, 0x20]), format!("picture of 20000x20000 pixels, {limits}"));
    assert_eq!(sized(&[0, 8, 0, 0]), format!("picture of 0x8 pixels, {limits}"));
    let mut header = png((1, 1), png::ColorType::Rgb, png::BitDepth::Eight, &[0; 3]);
    header = replaced(header, 16, &[0x7f, 0xff, 0xff, 0xff]);
    assert!(refusal(&header).starts_with("the PNG's data is damaged: "), "its checksum is wrong");
}

#[test]
fn unusual_and_malformed_jpegs_are_refused() {
    let coded = jpeg((8, 8), 1, |_| {});
    let frame = find(&coded, b"\xff\xc0");
    let scan = find(&coded, b"\xff\xda");
    let patched = |offset, with: &[u8]| refusal(&replaced(coded.clone(), offset, with));
    let unsupported = |found: &str| {
        format!(
            "this is {found}, expected a baseline or progressive JPEG of 8 bits a sample in 1, 3 or 4 channels"
        )
    };
    assert_eq!(patched(frame + 1, &[0xc3]), unsupported("a lossless JPEG"));
    assert_eq!(patched(frame + 1, &[0xc9]), unsupported("a JPEG in arithmetic coding"));
    assert_eq!(patched(frame + 1, &[0xc5]), unsupported("a hierarchical JPEG"));
    assert_eq!(patched(frame + 4, &[12]), unsupported("a JPEG of 12 bits a sample"));
    assert_eq!(patched(frame + 9, &[2]), unsupported("a JPEG of 2 channels"));
    assert_eq!(
        patched(frame + 2, &[0, 1]),
        format!("byte {}: a segment of 1 bytes, expected 2 or more", frame + 2)
    );
    assert_eq!(
        patched(frame + 1, &[0xfe]),
        format!("byte {scan}: a scan before any frame, expected the frame first")
    );
    assert_eq!(
        patched(scan + 5, &[9]),
        format!("byte {scan}: a scan of channel 9, expected one of the frame's")
    );
    assert_eq!(
        patched(frame + 11, &[0x51]),
        format!("byte {frame}: sampling of 5x1, expected 1 to 4 each way")
    );
}

#[test]
fn a_png_that_is_cut_short_or_changed_is_refused() {
    let whole = png((9, 9), png::ColorType::Rgb, png::BitDepth::Eight, &pixels(9, 9, 3));
    let cut = refusal(&whole[..whole.len() - 30]);
    assert_eq!(
        cut,
        format!("the picture ends at byte {}, but more of the PNG is still to come", whole.len() - 30)
    );
    let data = find(&whole, b"IDAT");
    let changed = refusal(&replaced(whole, data + 20, &[0x55]));
    assert!(changed.starts_with("the PNG's data is damaged: "), "{changed}");
}

#[test]
fn an_image_is_coded_to_the_same_bytes_each_time() {
    let shape = ImageShape { height: 16, width: 16, channels: 3 };
    let image = pixels(16, 16, 4);
    let coded = code(&image, shape, ChannelOrder::Rgb, 95);
    assert_eq!(coded, code(&image, shape, ChannelOrder::Rgb, 95));
    let far = prepared(&coded, 16, ChannelOrder::Rgb).iter().zip(&image).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(far < Some(40), "{far:?}");
}
