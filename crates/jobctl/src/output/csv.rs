//! CSV: one header line with the JSON's field names, then one line a record.

use serde::Serialize;

/// The records with a header; empty text for no records.
///
/// # Errors
/// A record with a nested value, which CSV cannot hold.
pub(crate) fn render<T: Serialize>(records: &[T]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.serialize(record)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
