//! The devkit's `meta.mat`: which number and which words each WordNet id has.
//!
//! A MATLAB file of version 5 (MathWorks, "MAT-File Format", 2019), of which only the array
//! of structs `synsets` is read, and of that three fields. Lengths are compared with what is
//! there before they are used; nothing is followed into what is not needed.

mod element;

use std::io::Read as _;

use flate2::bufread::ZlibDecoder;

pub use self::element::MatProblem;
use self::element::{COMPRESSED, Elements, MATRIX, Matrix};

/// What all that is compressed may unpack to.
const UNPACKED_BYTES_MAX: u64 = 64 << 20;
const HEADER_BYTES: usize = 128;
const VARIABLE: &str = "synsets";
const FIELDS: [&str; 3] = ["ILSVRC2012_ID", "WNID", "words"];
/// Fifty times what the devkit has.
const SYNSETS_MAX: usize = 100_000;

/// One set of synonyms, a class or what stands above classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Synset {
    /// `ILSVRC2012_ID`: up to 1000 for classes.
    pub(super) id: u32,
    pub(super) wnid: String,
    /// Separated by commas.
    pub(super) words: String,
}

/// Reads the synsets of the file with these bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Synset>, MatProblem> {
    // 0x0100 and "MI" as little-endian numbers.
    if bytes.get(124..HEADER_BYTES) != Some(&[0x00, 0x01, b'I', b'M']) {
        return Err(MatProblem::Header);
    }
    let mut left = UNPACKED_BYTES_MAX;
    let mut elements = Elements::of(bytes, HEADER_BYTES);
    while let Some(element) = elements.next_unpadded()? {
        let found = match element.kind {
            COMPRESSED => {
                let mut unpacked = Vec::new();
                let read = ZlibDecoder::new(element.data).take(left + 1).read_to_end(&mut unpacked);
                read.map_err(|_| MatProblem::Compressed { byte: element.byte })?;
                let Some(rest) = left.checked_sub(unpacked.len() as u64) else {
                    return Err(MatProblem::TooLong { byte: element.byte, limit: UNPACKED_BYTES_MAX });
                };
                left = rest;
                match Elements::of(&unpacked, 0).next()? {
                    Some(inner) if inner.kind == MATRIX => synsets(&Matrix::read(inner)?)?,
                    _ => None,
                }
            }
            MATRIX => synsets(&Matrix::read(element)?)?,
            _ => None,
        };
        if let Some(synsets) = found {
            return Ok(synsets);
        }
    }
    Err(MatProblem::NoVariable { name: VARIABLE })
}

/// The synsets, if this is their variable.
fn synsets(matrix: &Matrix<'_>) -> Result<Option<Vec<Synset>>, MatProblem> {
    if matrix.name != VARIABLE.as_bytes() {
        return Ok(None);
    }
    let (fields, mut values) = matrix.fields(VARIABLE)?;
    let index_of = |name: &'static str| {
        fields.iter().position(|field| *field == name.as_bytes()).ok_or(MatProblem::NoField { name })
    };
    let [id, wnid, words] = [index_of(FIELDS[0])?, index_of(FIELDS[1])?, index_of(FIELDS[2])?];
    if matrix.count > SYNSETS_MAX {
        return Err(MatProblem::Count { count: matrix.count, limit: SYNSETS_MAX });
    }
    let mut synsets = Vec::new();
    for index in 0..matrix.count {
        let mut synset = Synset { id: 0, wnid: String::new(), words: String::new() };
        for field in 0..fields.len() {
            let Some(value) = values.next()? else {
                return Err(MatProblem::Fields { index, count: matrix.count });
            };
            if field == id {
                synset.id = Matrix::read(value)?.number(FIELDS[0], index)?;
            } else if field == wnid {
                synset.wnid = Matrix::read(value)?.text(FIELDS[1], index)?;
            } else if field == words {
                synset.words = Matrix::read(value)?.text(FIELDS[2], index)?;
            }
        }
        synsets.push(synset);
    }
    Ok(Some(synsets))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by meta_mat.py beside it.
    const META_PLAIN: &[u8] = include_bytes!("../../../tests/data/files/meta-plain.mat");

    #[test]
    fn synsets_have_their_number_id_and_words() {
        let synsets = read(META_PLAIN).unwrap();
        assert_eq!(synsets.len(), 5);
        let (id, wnid, words) = (2, "n01440764".to_owned(), "tench, Tinca tinca".to_owned());
        assert_eq!(synsets[1], Synset { id, wnid, words });
        assert_eq!(synsets[4].id, 1002);
    }

    #[test]
    fn no_change_of_a_byte_and_no_end_is_more_than_an_error() {
        let mut bytes = META_PLAIN.to_vec();
        for at in 0..bytes.len() {
            let kept = bytes[at];
            for value in [0, 1, 0x0e, 0x7f, 0x80, 0xff] {
                bytes[at] = value;
                let _ = read(&bytes);
            }
            bytes[at] = kept;
            // The last element's padding is of no use.
            assert!(read(&bytes[..at]).is_err() || at + 8 > bytes.len(), "cut at {at}");
        }
    }
}
