//! Recipes with names.
//!
//! `caffe-*` are the authors' two schedules (Yosinski et al. 2014), read from their solver
//! files; what depends on the study (outputs, whose mean image, the order of the images) is
//! left at our defaults. `quick-*` are ours, for minutes on a CPU.

use super::{Drop, Initialiser, MeanImage, Order, Outputs, Precision, Recipe, TestImages};

/// The names of all presets, for messages.
pub const PRESETS: &[&str] =
    &["caffe-2014", "caffe-2014-reduced", "quick-28", "quick-32", "quick-64", "fast-gpu"];

pub(super) fn preset(name: &str) -> Option<Recipe> {
    match name {
        "caffe-2014" => Some(caffe_2014()),
        "caffe-2014-reduced" => Some(caffe_2014_reduced()),
        "quick-28" => Some(quick_28()),
        "quick-32" => Some(quick_32()),
        "quick-64" => Some(quick_64()),
        "fast-gpu" => Some(fast_gpu()),
        _ => None,
    }
}

/// The authors' schedule of all networks but those on reduced data: the rate drops to a
/// tenth every 100,000 iterations.
fn caffe_2014() -> Recipe {
    Recipe {
        iterations: 450_000,
        batch: 256,
        learning_rate: 0.01,
        drops: tenths_at([2.0 / 9.0, 4.0 / 9.0, 6.0 / 9.0, 8.0 / 9.0]),
        momentum: 0.9,
        decay: 0.0005,
        bias_learning_rate_factor: 2.0,
        bias_decay_factor: 0.0,
        crop: Some(227),
        mirror: true,
        scale: 1.0,
        test_every: 1_000,
        initialiser: Initialiser::Gaussian,
        dropout: 0.5,
        outputs: Outputs::Classes,
        mean_image: MeanImage::Target,
        order: Order::Shuffled,
        test_images: TestImages::Count(50_000),
        precision: Precision::F32,
    }
}

/// The authors' schedule of networks on reduced data: drops every 64,000 iterations.
fn caffe_2014_reduced() -> Recipe {
    Recipe {
        iterations: 200_000,
        learning_rate: 0.0125,
        drops: tenths_at([0.32, 0.64, 0.96]),
        ..caffe_2014()
    }
}

/// The authors' schedule with activations in bfloat16.
fn fast_gpu() -> Recipe {
    Recipe { precision: Precision::Bf16, ..caffe_2014() }
}

pub(super) fn quick_28() -> Recipe {
    Recipe {
        iterations: 800,
        batch: 64,
        learning_rate: 0.03,
        drops: tenths_at([0.75]),
        momentum: 0.9,
        decay: 0.0005,
        bias_learning_rate_factor: 1.0,
        bias_decay_factor: 1.0,
        crop: None,
        mirror: false,
        scale: 1.0 / 255.0,
        test_every: 200,
        initialiser: Initialiser::He,
        dropout: 0.5,
        outputs: Outputs::Classes,
        mean_image: MeanImage::Target,
        order: Order::Shuffled,
        test_images: TestImages::All,
        precision: Precision::F32,
    }
}

/// For coloured images of 32×32 pixels; the values are ours, chosen on CIFAR-10 with
/// `caffenet-32`, split random-0, where PyTorch ends at 87.5 % (A) and 82.7 % (B).
fn quick_32() -> Recipe {
    Recipe {
        iterations: 3_000,
        learning_rate: 0.02,
        drops: tenths_at([0.75]),
        mirror: true,
        test_every: 750,
        ..quick_28()
    }
}

/// For coloured images of 64×64 pixels and `caffenet-64`: as [`quick_32`], with fewer
/// iterations because each takes about three times as long.
fn quick_64() -> Recipe {
    Recipe { iterations: 1_000, test_every: 250, ..quick_32() }
}

fn tenths_at<const N: usize>(fractions: [f64; N]) -> Vec<Drop> {
    fractions.map(|at| Drop { at, factor: 0.1 }).into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A value as the page writes it.
    fn written(recipe: &Recipe, key: &str) -> String {
        if key.starts_with("drops") {
            let iteration = |drop: &Drop| (drop.at * f64::from(recipe.iterations)).floor().to_string();
            assert!(recipe.drops.iter().all(|drop| drop.factor == 0.1));
            return recipe.drops.iter().map(iteration).collect::<Vec<_>>().join(", ");
        }
        match &serde_json::to_value(recipe).unwrap()[key] {
            Value::Null => "none".to_owned(),
            Value::String(word) => word.clone(),
            Value::Number(number) if number.as_f64() == Some(1.0 / 255.0) => "1/255".to_owned(),
            Value::Number(number) => number.as_f64().unwrap().to_string(),
            other => other.to_string(),
        }
    }

    #[test]
    fn the_pages_table_tells_every_value_of_every_preset() {
        let page = include_str!("../../../../docs/networks.md");
        let mut rows = page.lines().skip_while(|line| !line.starts_with("| key | caffe-2014 |"));
        let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let names: Vec<String> = cells(rows.next().unwrap());
        assert_eq!(names.len(), PRESETS.len() + 1);
        let rows: Vec<Vec<String>> = rows.skip(1).take_while(|row| row.starts_with('|')).map(cells).collect();
        let keys = serde_json::to_value(quick_28()).unwrap().as_object().unwrap().len();
        assert_eq!(rows.len(), keys, "one row a key");
        for row in rows {
            for (name, cell) in names.iter().zip(&row).skip(1) {
                let recipe = preset(name).unwrap();
                assert_eq!(&written(&recipe, &row[0]), cell, "{name}: {}", row[0]);
            }
        }
    }
}
