//! JSON documents: each has a `schema` field, so that scripts know what they read.

use serde::{Serialize, Serializer, ser::SerializeMap};

/// `{"schema": …, KEY: [records]}`.
pub(crate) struct ListDocument<'a, T> {
    /// Name and version of the form.
    pub(crate) schema: &'a str,
    /// Under which key the records stand.
    pub(crate) key: &'a str,
    /// The records.
    pub(crate) records: &'a [T],
}

impl<T: Serialize> Serialize for ListDocument<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("schema", self.schema)?;
        map.serialize_entry(self.key, self.records)?;
        map.end()
    }
}

/// The document with line breaks, for files and people.
pub(crate) fn render<T: Serialize>(document: &T) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}
