//! Identity: the canonical JSON of a value, and the key of a job.
//!
//! Canonical means: object keys sorted, no white space, numbers as `serde_json` prints
//! them (shortest text that reads back the same). Equal specs have equal text.

use serde::Serialize;
use serde_json::Value;

use crate::{
    ids::JobKey,
    network::Network,
    recipe::Recipe,
    shared::Shared,
    spec::{Classes, JobSpec, Source},
};

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

/// Makes the keys of jobs that have most in common, such as those of one study.
///
/// The same keys as [`job_key`], but the texts of networks, recipes and classes are kept from
/// one job to the next: most of a job is the list of its classes.
#[derive(Debug, Default)]
pub struct KeyMaker {
    networks: Recent<Shared<Network>>,
    recipes: Recent<Recipe>,
    classes: Recent<Classes>,
    text: String,
}

impl KeyMaker {
    /// The key of this job.
    pub fn key(&mut self, spec: &JobSpec) -> JobKey {
        // Named one by one, so that a new field cannot be forgotten here.
        let JobSpec {
            semantics_version,
            pack,
            image,
            split,
            target,
            source,
            imported,
            treatment,
            network,
            recipe,
            seed,
            images_per_class,
        } = spec;
        self.text.clear();
        self.push("{\"image\":", &canonical_json(image));
        self.push(",\"images_per_class\":", &canonical_json(images_per_class));
        if let Some(imported) = imported {
            self.push(",\"imported\":", &canonical_json(imported));
        }
        self.text.push_str(",\"network\":");
        self.text.push_str(self.networks.text_of(network));
        self.push(",\"pack\":", &canonical_json(pack));
        self.text.push_str(",\"recipe\":");
        self.text.push_str(self.recipes.text_of(recipe));
        self.push(",\"seed\":", &canonical_json(seed));
        self.push(",\"semantics_version\":", &canonical_json(semantics_version));
        self.text.push_str(",\"source\":");
        match source {
            None => self.text.push_str("null"),
            Some(Source { classes, images_per_class, job }) => {
                self.text.push_str("{\"classes\":");
                self.text.push_str(self.classes.text_of(classes));
                self.push(",\"images_per_class\":", &canonical_json(images_per_class));
                self.push(",\"job\":", &canonical_json(job));
                self.text.push('}');
            }
        }
        self.push(",\"split\":", &canonical_json(split));
        self.text.push_str(",\"target\":");
        self.text.push_str(self.classes.text_of(target));
        self.push(",\"treatment\":", &canonical_json(treatment));
        self.text.push('}');
        JobKey(*blake3::hash(self.text.as_bytes()).as_bytes())
    }

    fn push(&mut self, key: &str, text: &str) {
        self.text.push_str(key);
        self.text.push_str(text);
    }
}

/// The canonical texts of the last few different values.
#[derive(Debug)]
struct Recent<T>(Vec<(T, String)>);

/// Both halves of a split, and some to spare.
const RECENT_MAX: usize = 4;

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq + Clone + Serialize> Recent<T> {
    fn text_of(&mut self, value: &T) -> &str {
        let index = self.0.iter().position(|(known, _)| known == value).unwrap_or_else(|| {
            if self.0.len() == RECENT_MAX {
                self.0.remove(0);
            }
            self.0.push((value.clone(), canonical_json(value)));
            self.0.len() - 1
        });
        &self.0[index].1
    }
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
