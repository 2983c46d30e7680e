//! The JSON Schema of `grid.yaml`, for editors and other programs.
//!
//! Made from the constants that the reader uses, so the two cannot drift. It says what each
//! key accepts; what must hold between keys, and with a pack, only reading and expansion tell.

use serde_json::{Map, Value, json};

use super::{
    axes::{AXES, IMAGES_MAX, SEED_MAX},
    draft, long_form, product,
    reader::RealBounds,
    recipe::{self, COUNTS, CROP_MAX, DROP_AT, DROP_FACTOR, DROP_KEYS, OUTPUTS, REALS, TEST_IMAGES_MAX},
    treatment::{DIRECTIONS, NAMES, SHORTHANDS},
};
use crate::{
    limits::{GRID_ENTRIES_MAX, GRID_EXCLUSIONS_MAX, NETWORK_LAYERS_MAX},
    network,
    recipe::PRESETS,
};

/// A JSON Schema (draft 2020-12) that every grid file without mistakes fulfils.
#[must_use]
pub fn schema() -> Value {
    let mut schema = mapping("A study: networks to train", draft::KEYS, top_level_key);
    let members = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("title", json!("grid.yaml")),
        ("required", json!(["study", "dataset", "network"])),
        // With `grids` the other keys may stand in its entries.
        ("if", json!({"not": {"required": ["grids"]}})),
        ("then", json!({"required": ["recipe", "split", "treatment"]})),
        ("$defs", json!({"entry": entry(), "exclusion": exclusion(), "treatment": treatment()})),
    ];
    if let Value::Object(schema) = &mut schema {
        schema.extend(members.map(|(key, value)| (key.to_owned(), value)));
    }
    schema
}

fn top_level_key(key: &str) -> Value {
    match key {
        "study" => text("Its name", "^[a-z0-9-]{1,64}$"),
        "dataset" => text("A pack: its registered name, or its digest", NAME),
        "network" => json!({
            "description": "A preset, or the path of a network file beside this one",
            "anyOf": [{"enum": network::PRESETS}, {"type": "string", "pattern": r"/|\.ya?ml$"}],
        }),
        "grids" => one_or_more("Products whose union is the study", &defined("entry"), GRID_ENTRIES_MAX),
        "recipe" => mapping_with("How to train", recipe::KEYS, &["preset"], recipe_key),
        key => product_key(key),
    }
}

/// One of the schemas that stand once, under `$defs`.
fn defined(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn entry() -> Value {
    mapping("One product of axes; inherits the top level", product::KEYS, entry_key)
}

fn exclusion() -> Value {
    let mut exclusion = mapping("Drops the cells that match all of it", AXES, exclude_key);
    exclusion["minProperties"] = json!(1);
    exclusion
}

fn entry_key(key: &str) -> Value {
    match key {
        "recipe" => {
            let description = "With a preset another recipe, without one changes to the top level's";
            mapping(description, recipe::KEYS, recipe_key)
        }
        key => product_key(key),
    }
}

/// Keys that mean the same at the top level and in an entry.
fn product_key(key: &str) -> Value {
    match key {
        "split" => {
            let description = "random-K, a grouping of the pack, similar-GROUPING-K, or whole";
            list(description, &json!({"type": "string", "pattern": NAME}))
        }
        "treatment" => list("What is done with the first n layers", &defined("treatment")),
        "n" => numbers("How many layers are copied", 1, NETWORK_LAYERS_MAX as u64),
        "direction" => list("The target half is the right-hand one", &json!({"enum": DIRECTIONS.0})),
        "seed" => numbers("Replicates", 0, SEED_MAX),
        "images_per_class" => {
            list("The first so many training images of each target class", &count_or("all", 1, IMAGES_MAX))
        }
        "source_seed" => described("Always copy from the source with this seed", whole(0, SEED_MAX)),
        "source_images_per_class" => {
            described("The limit for the half that a transfer copies from", count_or("all", 1, IMAGES_MAX))
        }
        "exclude" => {
            let entry = defined("exclusion");
            // An empty list drops nothing.
            let list = json!({"type": "array", "items": entry, "maxItems": GRID_EXCLUSIONS_MAX});
            json!({"description": "Cells to leave out", "anyOf": [entry, list]})
        }
        "label" => text("Stands in the names of these networks", "^[a-z0-9-]{1,64}$"),
        key => unreachable!("{key} is a key of the reader, and the schema must know it"),
    }
}

fn exclude_key(key: &str) -> Value {
    match key {
        "treatment" => list("Names as in plans", &json!({"enum": NAMES})),
        key => product_key(key),
    }
}

fn treatment() -> Value {
    let layers = |fewest: u64, words: &[&str]| {
        let number = number_or_range(fewest, NETWORK_LAYERS_MAX as u64);
        list("Layers", &json!({"anyOf": [{"enum": words}, number]}))
    };
    let key = |key: &str| match key {
        "source" => {
            let words = long_form::SOURCES.join(", ");
            text(&format!("{words}, or the name of imported weights"), NAME)
        }
        "copy" => layers(1, &["n"]),
        "freeze" => layers(0, &["all", "none", "n"]),
        key => unreachable!("{key} is a key of the reader, and the schema must know it"),
    };
    let long = mapping_with("The long form", long_form::KEYS, &["source"], key);
    json!({"anyOf": [{"enum": SHORTHANDS}, long]})
}

fn recipe_key(key: &str) -> Value {
    if let Some(count) = COUNTS.iter().find(|count| count.name == key) {
        return whole(1, count.bounds);
    }
    if let Some(real) = REALS.iter().find(|real| real.name == key) {
        return number(&real.bounds);
    }
    match key {
        "preset" => json!({"enum": PRESETS}),
        "drops" => {
            let drop = mapping_with("One drop of the learning rate", DROP_KEYS, DROP_KEYS, |key| match key {
                "at" => described("Fraction of the iterations", number(&DROP_AT)),
                _ => described("What the rate is multiplied by", number(&DROP_FACTOR)),
            });
            json!({"anyOf": [drop, {"type": "array", "items": drop}]})
        }
        "crop" => {
            let words = json!({"enum": ["none", null]});
            json!({"description": "Side in pixels, or none", "anyOf": [words, whole(1, CROP_MAX)]})
        }
        "mirror" => json!({"type": "boolean"}),
        "outputs" => count_or("classes", OUTPUTS.0, OUTPUTS.1),
        "test_images" => count_or("all", 1, TEST_IMAGES_MAX),
        "initialiser" => json!({"enum": recipe::INITIALISERS.0}),
        "mean_image" => json!({"enum": recipe::MEAN_IMAGES.0}),
        "order" => json!({"enum": recipe::ORDERS.0}),
        "precision" => json!({"enum": recipe::PRECISIONS.0}),
        key => unreachable!("{key} is a key of the reader, and the schema must know it"),
    }
}

/// Names of packs, weights and splits.
const NAME: &str = "^[A-Za-z0-9._-]{1,128}$";

fn mapping(description: &str, keys: &[&str], key: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|name| ((*name).to_owned(), key(name))).collect();
    json!({
        "description": description,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn mapping_with(description: &str, keys: &[&str], required: &[&str], key: impl Fn(&str) -> Value) -> Value {
    let mut mapping = mapping(description, keys, key);
    mapping["required"] = json!(required);
    mapping
}

fn described(description: &str, mut schema: Value) -> Value {
    schema["description"] = json!(description);
    schema
}

fn text(description: &str, pattern: &str) -> Value {
    json!({"description": description, "type": "string", "pattern": pattern})
}

/// A single value, or a list of at least one.
fn list(description: &str, item: &Value) -> Value {
    let list = json!({"type": "array", "items": item, "minItems": 1});
    json!({"description": description, "anyOf": [item, list]})
}

fn one_or_more(description: &str, item: &Value, most: usize) -> Value {
    let mut schema = list(description, item);
    schema["anyOf"][1]["maxItems"] = json!(most);
    schema
}

fn whole(fewest: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": fewest, "maximum": most})
}

fn number_or_range(fewest: u64, most: u64) -> Value {
    json!({"anyOf": [whole(fewest, most), {"type": "string", "pattern": r"^\s*\d+\s*\.\.\s*\d+\s*$"}]})
}

fn numbers(description: &str, fewest: u64, most: u64) -> Value {
    list(description, &number_or_range(fewest, most))
}

fn count_or(word: &str, fewest: u64, most: u64) -> Value {
    json!({"anyOf": [{"const": word}, whole(fewest, most)]})
}

fn number(bounds: &RealBounds) -> Value {
    let low = if bounds.low_belongs { "minimum" } else { "exclusiveMinimum" };
    let high = if bounds.high_belongs { "maximum" } else { "exclusiveMaximum" };
    json!({"type": "number", low: bounds.low, high: bounds.high})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(mapping: &Value) -> BTreeSet<&str> {
        mapping["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_keys_are_those_of_the_reader_in_every_place() {
        let schema = schema();
        let of = |keys: &[&'static str]| keys.iter().copied().collect::<BTreeSet<_>>();
        let property = |name: &str| &schema["properties"][name];
        let (defined, entry) = (&schema["$defs"], &schema["$defs"]["entry"]);
        let drop = &property("recipe")["properties"]["drops"]["anyOf"][0];
        assert_eq!(keys(&schema), of(draft::KEYS));
        assert_eq!(keys(property("recipe")), of(recipe::KEYS));
        assert_eq!(keys(entry), of(product::KEYS));
        assert_eq!(keys(&entry["properties"]["recipe"]), of(recipe::KEYS));
        assert_eq!(keys(&defined["treatment"]["anyOf"][1]), of(long_form::KEYS));
        assert_eq!(keys(&defined["exclusion"]), of(AXES));
        assert_eq!(keys(drop), of(DROP_KEYS));
        let top: BTreeSet<_> = draft::TOP_LEVEL_KEYS.iter().chain(product::KEYS).copied().collect();
        assert_eq!(of(draft::KEYS), top, "the top level has an entry's keys and its own");
    }

    #[test]
    fn words_and_ranges_are_those_of_the_reader() {
        let schema = schema();
        let recipe = &schema["properties"]["recipe"]["properties"];
        assert_eq!(recipe["preset"]["enum"], json!(PRESETS));
        assert_eq!(schema["properties"]["network"]["anyOf"][0]["enum"], json!(network::PRESETS));
        assert_eq!(
            recipe["learning_rate"],
            json!({"type": "number", "exclusiveMinimum": 0.0, "maximum": 10.0})
        );
        assert_eq!(recipe["batch"], json!({"type": "integer", "minimum": 1, "maximum": 65_536}));
    }
}
