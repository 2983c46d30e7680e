//! Names of another program's tensors, told for each layer of ours: `features.0=conv1`.

use std::collections::BTreeMap;

/// For a layer's name what stands before `.weight` and `.bias`; the layer's own name if it
/// is not listed.
pub(super) type Prefixes = BTreeMap<String, String>;

/// Why a text is not a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not of the form.
    #[error("{given:?} is not PREFIX=LAYER, for example features.0=conv1")]
    Form {
        /// As given.
        given: String,
    },
    /// A layer or a prefix that was mapped before.
    #[error("{given:?}: {what} is mapped already")]
    Doubled {
        /// As given.
        given: String,
        /// The layer or prefix.
        what: String,
    },
}

/// Reads `PREFIX=LAYER` texts; whether the layers exist is for the import to say.
///
/// # Errors
/// The first that is wrong.
pub fn parse_mapping<'a>(
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, MappingError> {
    let mut prefixes = Prefixes::new();
    for given in texts {
        let (prefix, layer) = given
            .split_once('=')
            .filter(|(prefix, layer)| !prefix.is_empty() && !layer.is_empty())
            .ok_or_else(|| MappingError::Form { given: given.to_owned() })?;
        // A layer may be given as `conv1.weight` says it, with the tensor's own last part.
        let (prefix, layer) = match (prefix.strip_suffix(".weight"), layer.strip_suffix(".weight")) {
            (Some(prefix), Some(layer)) => (prefix, layer),
            _ => (prefix, layer),
        };
        let doubled = |what: &str| MappingError::Doubled { given: given.to_owned(), what: what.to_owned() };
        if prefixes.values().any(|before| before == prefix) {
            return Err(doubled(prefix));
        }
        if prefixes.insert(layer.to_owned(), prefix.to_owned()).is_some() {
            return Err(doubled(layer));
        }
    }
    Ok(prefixes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_names_prefixes_by_layer() {
        let prefixes = parse_mapping(["features.0=conv1", "features.3.weight=conv2.weight"]).unwrap();
        assert_eq!(prefixes["conv1"], "features.0");
        assert_eq!(prefixes["conv2"], "features.3");
    }

    #[test]
    fn what_is_no_mapping_or_said_twice_is_refused() {
        let refused = |texts: &[&str]| parse_mapping(texts.iter().copied()).unwrap_err().to_string();
        for given in ["conv1", "=conv1", "features.0="] {
            assert!(refused(&[given]).ends_with("is not PREFIX=LAYER, for example features.0=conv1"));
        }
        assert_eq!(refused(&["a=conv1", "b=conv1"]), "\"b=conv1\": conv1 is mapped already");
        assert_eq!(refused(&["a=conv1", "a=conv2"]), "\"a=conv2\": a is mapped already");
    }
}
