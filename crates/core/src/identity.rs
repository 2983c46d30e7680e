//! Identity: the canonical JSON of a value, and the key of a job.
//!
//! Canonical means: object keys sorted, no white space, numbers as `serde_json` prints
//! them (shortest text that reads back the same). Equal specs have equal text.

use serde::Serialize;
use serde_json::Value;

use crate::{ids::JobKey, spec::JobSpec};

/// The one text that stands for this value.
#[must_use]
pub fn canonical_json<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("our types have string keys and finite numbers");
    let mut text = Vec::with_capacity(1 << 12);
    write_canonical(&value, &mut text);
    String::from_utf8(text).expect("serde_json writes UTF-8")
}

/// A job's key: BLAKE3 of the canonical JSON of its spec.
#[must_use]
pub fn job_key(spec: &JobSpec) -> JobKey {
    JobKey(*blake3::hash(canonical_json(spec).as_bytes()).as_bytes())
}

// serde_json's map may keep insertion order, depending on what else is built, so we sort.
fn write_canonical(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            text.push(b'{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write_scalar(key, text);
                text.push(b':');
                write_canonical(value, text);
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                write_canonical(item, text);
            }
            text.push(b']');
        }
        scalar => write_scalar(scalar, text),
    }
}

fn write_scalar<T: Serialize>(scalar: &T, text: &mut Vec<u8>) {
    serde_json::to_writer(text, scalar).expect("a vector takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_does_not_depend_on_the_order_of_keys() {
        let one: Value = serde_json::from_str(r#"{"b": [1, 0.1], "a": {"d": null, "c": "x\""}}"#).unwrap();
        assert_eq!(canonical_json(&one), r#"{"a":{"c":"x\"","d":null},"b":[1,0.1]}"#);
    }
}
