//! Data elements: a kind and a length, then that many bytes, padded to eight.

/// Of an element that holds another one, compressed.
pub(super) const COMPRESSED: u32 = 15;
/// Of an array, in whose bytes its parts are elements.
pub(super) const MATRIX: u32 = 14;

/// Classes of arrays.
const STRUCT: u8 = 2;
const CHAR: u8 = 4;
const NUMERIC: std::ops::RangeInclusive<u8> = 6..=15;
/// Characters of a field's name, with the zero after them.
const FIELD_NAME_BYTES_MAX: usize = 64;

/// Why a file is no `meta.mat`. Bytes are counted in the file; in a compressed variable they
/// are counted in what it unpacks to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatProblem {
    /// Another version, another byte order, or no MATLAB file.
    #[error("byte 124: no header of a MATLAB 5 file, little-endian")]
    Header,
    /// An element that goes on where the file does not.
    #[error("byte {byte}: an element of {bytes} bytes, but only {left} are left")]
    Cut {
        /// Of the element.
        byte: usize,
        /// Its length.
        bytes: usize,
        /// What is left.
        left: usize,
    },
    /// Compressed bytes that are damaged.
    #[error("byte {byte}: a compressed variable that cannot be unpacked")]
    Compressed {
        /// Of the element.
        byte: usize,
    },
    /// A bomb.
    #[error("byte {byte}: the file unpacks to more than {limit} bytes")]
    TooLong {
        /// Of the element.
        byte: usize,
        /// As much is allowed.
        limit: u64,
    },
    /// An array without one of its parts.
    #[error("byte {byte}: an array whose {part} is missing or malformed")]
    Part {
        /// Of the array.
        byte: usize,
        /// Which part.
        part: &'static str,
    },
    /// The variable is not there.
    #[error("there is no variable {name}")]
    NoVariable {
        /// Its name.
        name: &'static str,
    },
    /// The variable is of another class.
    #[error("{name} is no array of structs")]
    NoStruct {
        /// Its name.
        name: &'static str,
    },
    /// A field is not there.
    #[error("synsets has no field {name}")]
    NoField {
        /// Its name.
        name: &'static str,
    },
    /// More synsets than WordNet has.
    #[error("synsets has {count} elements, expected at most {limit}")]
    Count {
        /// As many.
        count: usize,
        /// As many are allowed.
        limit: usize,
    },
    /// Fewer values than elements and fields.
    #[error("synsets ends within element {index} of {count}")]
    Fields {
        /// From 0.
        index: usize,
        /// As many are promised.
        count: usize,
    },
    /// A value of another form.
    #[error("synsets[{index}].{field} is no {expected}")]
    Value {
        /// From 0.
        index: usize,
        /// Which field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) kind: u32,
    pub(super) data: &'a [u8],
    pub(super) byte: usize,
}

/// Elements one after the other.
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Elements<'a> {
    pub(super) fn of(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next element of an array; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, MatProblem> {
        let element = self.next_unpadded()?;
        // The last one's padding may be missing.
        self.at = self.at.next_multiple_of(8).min(self.bytes.len());
        Ok(element)
    }

    /// The next element of a file, where compressed ones are not padded.
    pub(super) fn next_unpadded(&mut self) -> Result<Option<Element<'a>>, MatProblem> {
        let (byte, left) = (self.at, self.bytes.len() - self.at);
        if left == 0 {
            return Ok(None);
        }
        let cut = |bytes| MatProblem::Cut { byte, bytes, left };
        let Some(tag) = self.bytes.get(byte..byte + 8) else { return Err(cut(8)) };
        let (first, second) = (u32_at(tag, 0), u32_at(tag, 4));
        // A small element has its length in the upper half of its kind, and its data in the tag.
        let (kind, start, length) = match first >> 16 {
            0 => (first, byte + 8, second as usize),
            small => (first & 0xffff, byte + 4, small as usize),
        };
        let end = start.saturating_add(length);
        let Some(data) = self.bytes.get(start..end) else { return Err(cut(length)) };
        self.at = if start == byte + 4 { byte + 8 } else { end };
        if start == byte + 4 && length > 4 {
            return Err(cut(length));
        }
        Ok(Some(Element { kind, data, byte }))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// An array, its head read.
pub(super) struct Matrix<'a> {
    class: u8,
    pub(super) name: &'a [u8],
    /// How many elements it has.
    pub(super) count: usize,
    byte: usize,
    rest: Elements<'a>,
}

impl<'a> Matrix<'a> {
    pub(super) fn read(element: Element<'a>) -> Result<Self, MatProblem> {
        let part = |part| MatProblem::Part { byte: element.byte, part };
        if element.kind != MATRIX {
            return Err(part("kind"));
        }
        let mut rest = Elements::of(element.data, 0);
        let flags = rest.next()?.filter(|flags| flags.data.len() == 8).ok_or(part("flags"))?;
        let dimensions = rest.next()?.ok_or(part("dimensions"))?.data;
        if dimensions.len() % 4 != 0 || !(8..=32).contains(&dimensions.len()) {
            return Err(part("dimensions"));
        }
        let count = dimensions
            .chunks_exact(4)
            .try_fold(1_usize, |count, side| count.checked_mul(u32_at(side, 0) as usize))
            .ok_or(part("dimensions"))?;
        let name = rest.next()?.ok_or(part("name"))?.data;
        Ok(Self { class: flags.data[0], name, count, byte: element.byte, rest })
    }

    /// The names of a struct's fields, and their values: all of the first element, then all of
    /// the next.
    pub(super) fn fields(&self, name: &'static str) -> Result<(Vec<&'a [u8]>, Elements<'a>), MatProblem> {
        if self.class != STRUCT {
            return Err(MatProblem::NoStruct { name });
        }
        let part = || MatProblem::Part { byte: self.byte, part: "field names" };
        let mut rest = Elements { ..self.rest };
        let length = rest.next()?.filter(|length| length.data.len() == 4).ok_or_else(part)?;
        let length = u32_at(length.data, 0) as usize;
        let names = rest.next()?.ok_or_else(part)?.data;
        if !(1..=FIELD_NAME_BYTES_MAX).contains(&length) || names.len() % length != 0 {
            return Err(part());
        }
        let name = |name: &'a [u8]| name.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok((names.chunks_exact(length).map(name).collect(), rest))
    }

    /// The one whole number that this is.
    pub(super) fn number(&self, field: &'static str, index: usize) -> Result<u32, MatProblem> {
        let wrong = || MatProblem::Value { index, field, expected: "whole number" };
        let value =
            Elements { ..self.rest }.next()?.filter(|_| NUMERIC.contains(&self.class)).ok_or_else(wrong)?;
        let value = match (value.kind, value.data) {
            // MATLAB stores what fits in the smallest type.
            (1 | 2, &[byte]) => f64::from(byte),
            (3 | 4, &[low, high]) => f64::from(u16::from_le_bytes([low, high])),
            (5 | 6, bytes) if bytes.len() == 4 => f64::from(u32_at(bytes, 0)),
            (7, &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
            (9, bytes) if bytes.len() == 8 => {
                f64::from_le_bytes(bytes.try_into().expect("eight bytes: checked just now"))
            }
            (12 | 13, bytes) if bytes.len() == 8 && u32_at(bytes, 4) == 0 => f64::from(u32_at(bytes, 0)),
            _ => return Err(wrong()),
        };
        let is_whole = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
        if is_whole { Ok(value as u32) } else { Err(wrong()) }
    }

    /// The text that this is.
    pub(super) fn text(&self, field: &'static str, index: usize) -> Result<String, MatProblem> {
        let wrong = || MatProblem::Value { index, field, expected: "text" };
        let value = Elements { ..self.rest }.next()?.filter(|_| self.class == CHAR).ok_or_else(wrong)?;
        match value.kind {
            // Bytes, or UTF-8.
            1 | 2 | 16 => String::from_utf8(value.data.to_vec()).map_err(|_| wrong()),
            // Numbers of characters, or UTF-16.
            4 | 17 if value.data.len() % 2 == 0 => {
                let units: Vec<_> =
                    value.data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
                String::from_utf16(&units).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        }
    }
}
