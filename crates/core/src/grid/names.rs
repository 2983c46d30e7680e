//! Names of networks, with the paper's letters: `random-0/A3B+`, `whole/base@k=25#seed=1`.

use std::fmt::Write as _;

use super::axes::Coordinates;
use crate::spec::{Half, ImagesPerClass, Origin};

/// A network's name within its study; different coordinates have different names, but for
/// imported weights, whose names are left to labels.
pub(super) fn name(split: &str, cell: &Coordinates, label: Option<&str>) -> String {
    let n = cell.treatment.layers_copied;
    let target = match cell.target {
        Half::W => String::new(),
        half => half.to_string(),
    };
    let mut name = match cell.treatment.origin {
        Origin::None => format!("{split}/base{target}"),
        Origin::Own => format!("{split}/{target}{n}{target}"),
        Origin::Other => format!("{split}/{}{n}{target}", cell.target.other()),
        Origin::Random => format!("{split}/R{n}{target}"),
        Origin::Imported => format!("{split}/I{n}{target}"),
    };
    match cell.treatment.layers_frozen {
        0 if n > 0 => name.push('+'),
        frozen if frozen < n => append(&mut name, format_args!("@freeze={frozen}")),
        _ => {}
    }
    if let ImagesPerClass::First(images) = cell.images_per_class {
        append(&mut name, format_args!("@k={images}"));
    }
    if let Some(label) = label {
        append(&mut name, format_args!("@{label}"));
    }
    if cell.seed != 0 {
        append(&mut name, format_args!("#seed={}", cell.seed));
    }
    name
}

fn append(name: &mut String, part: std::fmt::Arguments<'_>) {
    name.write_fmt(part).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Treatment;

    #[test]
    fn names_are_the_papers() {
        use Half::{A, B, W};
        use Origin::{Imported, None as Base, Other, Own, Random};
        let (all, few) = (ImagesPerClass::All, ImagesPerClass::First(25));
        for (split, (origin, layers_copied, layers_frozen), target, images_per_class, seed, expected) in [
            ("random-0", (Base, 0, 0), B, all, 0, "random-0/baseB"),
            ("random-0", (Other, 3, 3), B, all, 0, "random-0/A3B"),
            ("random-0", (Other, 3, 0), A, all, 0, "random-0/B3A+"),
            ("random-0", (Own, 7, 7), A, all, 0, "random-0/A7A"),
            ("random-0", (Own, 3, 0), B, all, 0, "random-0/B3B+"),
            ("random-0", (Random, 3, 3), B, all, 0, "random-0/R3B"),
            ("whole", (Random, 3, 3), W, all, 0, "whole/R3"),
            ("whole", (Base, 0, 0), W, few, 0, "whole/base@k=25"),
            ("random-0", (Other, 3, 3), B, few, 1, "random-0/A3B@k=25#seed=1"),
            ("random-0", (Random, 3, 0), B, all, 0, "random-0/R3B+"),
            ("random-0", (Other, 5, 3), B, all, 0, "random-0/A5B@freeze=3"),
            ("random-0", (Imported, 5, 5), B, all, 0, "random-0/I5B"),
            ("whole", (Imported, 5, 0), W, all, 2, "whole/I5+#seed=2"),
        ] {
            let treatment = Treatment { origin, layers_copied, layers_frozen };
            let cell = Coordinates { split: 0, treatment, target, seed, images_per_class };
            assert_eq!(name(split, &cell, None), expected);
        }
        let treatment = Treatment { origin: Other, layers_copied: 5, layers_frozen: 3 };
        let cell = Coordinates { split: 0, treatment, target: B, seed: 1, images_per_class: few };
        assert_eq!(name("random-0", &cell, Some("long")), "random-0/A5B@freeze=3@k=25@long#seed=1");
    }
}
