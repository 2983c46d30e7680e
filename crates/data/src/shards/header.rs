//! What stands before a shard's tensors, in either form of pack.

use selffer_core::spec::ImageShape;

/// The safetensors header of a shard of pixels, with its length prefix, padded to 8 bytes.
pub(crate) fn pixels_header(count: usize, image: ImageShape) -> Vec<u8> {
    let (height, width, channels) = (image.height, image.width, image.channels);
    let labels_end = count * 4;
    let images_end = labels_end + count * image.bytes();
    with_length(format!(
        "{{\"labels\":{{\"dtype\":\"U32\",\"shape\":[{count}],\"data_offsets\":[0,{labels_end}]}},\
         \"images\":{{\"dtype\":\"U8\",\"shape\":[{count},{height},{width},{channels}],\
         \"data_offsets\":[{labels_end},{images_end}]}}}}"
    ))
}

/// The same of a shard of JPEGs that have so many bytes together.
pub(crate) fn jpegs_header(count: usize, bytes: usize) -> Vec<u8> {
    let labels_end = count * 4;
    let ends_end = labels_end + count * 8;
    let jpegs_end = ends_end + bytes;
    with_length(format!(
        "{{\"labels\":{{\"dtype\":\"U32\",\"shape\":[{count}],\"data_offsets\":[0,{labels_end}]}},\
         \"ends\":{{\"dtype\":\"U64\",\"shape\":[{count}],\"data_offsets\":[{labels_end},{ends_end}]}},\
         \"jpegs\":{{\"dtype\":\"U8\",\"shape\":[{bytes}],\"data_offsets\":[{ends_end},{jpegs_end}]}}}}"
    ))
}

fn with_length(mut text: String) -> Vec<u8> {
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend_from_slice(text.as_bytes());
    header
}
