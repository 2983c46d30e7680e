//! Kinds and manifests of imports.

use selffer_core::import::{ImportKind, ImportManifest};

use super::ConvertError;
use crate::v1;

impl From<ImportKind> for v1::ImportKind {
    fn from(kind: ImportKind) -> Self {
        match kind {
            ImportKind::Pack => Self::Pack,
            ImportKind::Weights => Self::Weights,
        }
    }
}

/// The number of a kind, as messages hold it.
#[must_use]
pub fn import_kind_number(kind: ImportKind) -> i32 {
    v1::ImportKind::from(kind).into()
}

/// The kind that a message says.
///
/// # Errors
/// It says none, or one that this program does not know.
pub fn import_kind(field: &str, number: i32) -> Result<ImportKind, ConvertError> {
    match v1::ImportKind::try_from(number) {
        Ok(v1::ImportKind::Pack) => Ok(ImportKind::Pack),
        Ok(v1::ImportKind::Weights) => Ok(ImportKind::Weights),
        Ok(v1::ImportKind::Unspecified) => Err(ConvertError::new(field, "is not said")),
        Err(_) => Err(ConvertError::new(field, format!("{number} is no kind of import"))),
    }
}

/// The manifest of this kind in a text, checked.
///
/// # Errors
/// The text is none, or the manifest contradicts itself.
pub fn import_manifest(field: &str, kind: ImportKind, text: &str) -> Result<ImportManifest, ConvertError> {
    let manifest = ImportManifest::read(kind, text).and_then(|manifest| {
        manifest.check()?;
        Ok(manifest)
    });
    manifest.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        ConvertError::new(field, format!("{error}{cause}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_comes_back_and_an_unknown_one_names_its_field() {
        for kind in [ImportKind::Pack, ImportKind::Weights] {
            assert_eq!(import_kind("kind", import_kind_number(kind)), Ok(kind));
        }
        assert_eq!(import_kind("kind", 0).unwrap_err().to_string(), "kind: is not said");
        assert_eq!(import_kind("kind", 9).unwrap_err().to_string(), "kind: 9 is no kind of import");
    }

    #[test]
    fn a_text_that_is_no_manifest_names_the_field_and_the_place() {
        let error = import_manifest("manifest_json", ImportKind::Weights, "{\"schema\": 1}").unwrap_err();
        assert_eq!(error.field, "manifest_json");
        assert!(error.problem.contains("line 1 column 12"), "{error}");
    }
}
