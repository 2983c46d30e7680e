//! What classes are called: the first of their words, from wherever there are some.

use std::{collections::BTreeMap, path::Path};

use selffer_core::pack::{Class, ilsvrc2012};

use super::{Ilsvrc2012Error, is_wnid, text};
use crate::import::listing::tree::{self, Kind};

/// Lists of words, each line `WNID WORDS`.
const LISTS: [&str; 3] = ["words.txt", "LOC_synset_mapping.txt", "synset_words.txt"];

/// The words in the first of the known lists, by id; none without a list.
pub(super) fn read(source: &Path) -> Result<BTreeMap<String, String>, Ilsvrc2012Error> {
    for name in LISTS {
        if !matches!(tree::kind_of(source, name)?, Some(Kind::File { .. })) {
            continue;
        }
        let path = source.join(name);
        let bytes = text::read(&path)?;
        let mut words = BTreeMap::new();
        for (line, found) in text::lines(&String::from_utf8_lossy(&bytes)) {
            match found.split_once(char::is_whitespace) {
                Some((wnid, of_class)) if is_wnid(wnid) => {
                    words.insert(wnid.to_owned(), of_class.trim().to_owned());
                }
                _ => return Err(text::wrong_line(&path, (line, found), "a WordNet id and words")),
            }
        }
        return Ok(words);
    }
    Ok(BTreeMap::new())
}

/// The class of this id. Only the first word is taken, so that the set's name for a class is
/// the same from each of its forms.
pub(super) fn class(wnid: &str, words: &BTreeMap<String, String>) -> Class {
    let first = |words: &String| words.split(',').next().unwrap_or_default().trim().to_owned();
    let name = words.get(wnid).map(first).filter(|name| !name.is_empty());
    let name = name.or_else(|| ilsvrc2012::class(wnid).map(|known| known.name.to_owned()));
    Class { wnid: Some(wnid.to_owned()), ..Class::named(name.unwrap_or_else(|| wnid.to_owned())) }
}
