//! What a training costs, in floating-point operations and bytes.
//!
//! Only learned operators count: ReLU, pooling, normalisation and the update are a few
//! percent of them. A multiply-add is two operations. The numbers order jobs and fill
//! plans; they promise no times.

use crate::{
    network::{LayerShapes, ShapeError},
    pack::PackFacts,
    recipe::TestImages,
    spec::{JobSpec, Origin},
};

/// Operations of the whole training with its tests.
///
/// Frozen layers run forward only: no gradient flows into or below them. The lowest layer
/// that learns needs no gradient of its input. A network that does not fit its images,
/// which expansion refuses, costs 0.
#[must_use]
pub fn job_flops(spec: &JobSpec, pack: &PackFacts) -> f64 {
    shapes(spec).map_or(0.0, |shapes| {
        let forward: f64 = shapes.iter().map(layer_flops).sum();
        let trained = f64::from(spec.recipe.iterations) * f64::from(spec.recipe.batch);
        let tested = tests(spec) as f64 * images_per_test(spec, pack) as f64;
        trained * (forward + backward_flops(spec, &shapes)) + tested * forward
    })
}

/// Bytes of the final weights that the store holds for this job alone.
///
/// Layers frozen from a source have its bytes and are stored with it; see
/// [`crate::artifact`]. A network that does not fit its images has none.
#[must_use]
pub fn checkpoint_bytes(spec: &JobSpec) -> u64 {
    let shared = match spec.treatment.origin {
        Origin::Own | Origin::Other => usize::from(spec.treatment.layers_frozen),
        Origin::None | Origin::Random => 0,
    };
    shapes(spec).map_or(0, |shapes| shapes.iter().skip(shared).map(|layer| layer.parameters * 4).sum())
}

fn shapes(spec: &JobSpec) -> Result<Vec<LayerShapes>, ShapeError> {
    spec.network.shapes(spec.image.channels, spec.outputs())
}

fn layer_flops(layer: &LayerShapes) -> f64 {
    2.0 * layer.multiply_adds as f64
}

fn backward_flops(spec: &JobSpec, shapes: &[LayerShapes]) -> f64 {
    let frozen = usize::from(spec.treatment.layers_frozen);
    let weights: f64 = shapes.iter().skip(frozen).map(layer_flops).sum();
    let inputs: f64 = shapes.iter().skip(frozen + 1).map(layer_flops).sum();
    weights + inputs
}

fn tests(spec: &JobSpec) -> u64 {
    u64::from(spec.recipe.iterations.div_ceil(spec.recipe.test_every.max(1)))
}

fn images_per_test(spec: &JobSpec, pack: &PackFacts) -> u64 {
    match spec.recipe.test_images {
        TestImages::All => pack.validation_images(&spec.target.indices),
        TestImages::Count(images) => u64::from(images),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::Digest,
        network::Network,
        recipe::Recipe,
        spec::{Classes, Half, ImagesPerClass, TRAINER_SEMANTICS_VERSION, Treatment},
    };

    fn job(origin: Origin, layers_copied: u8, layers_frozen: u8) -> JobSpec {
        let pack = PackFacts::well_known("fashion-mnist").unwrap();
        JobSpec {
            semantics_version: TRAINER_SEMANTICS_VERSION,
            pack: Digest([0; 32]),
            image: pack.image,
            split: "random-0".to_owned(),
            target: Classes { half: Half::B, indices: vec![2, 4, 5, 6, 9] },
            source: None,
            treatment: Treatment { origin, layers_copied, layers_frozen },
            network: Network::preset("caffenet-28-slim").unwrap(),
            recipe: Recipe::quick_28(),
            seed: 0,
            images_per_class: ImagesPerClass::All,
        }
    }

    fn flops(origin: Origin, layers_copied: u8, layers_frozen: u8) -> f64 {
        let pack = PackFacts::well_known("fashion-mnist").unwrap();
        job_flops(&job(origin, layers_copied, layers_frozen), &pack)
    }

    #[test]
    fn a_base_network_costs_what_its_table_says() {
        // Multiply-adds by hand, C = 1: conv1 28·28·16·25, conv2 13·13·32·8·25,
        // conv3 6·6·48·32·9, conv4 6·6·48·24·9, conv5 6·6·32·24·9, fc 128·128 twice, 128·5.
        let layers = [313_600.0, 1_081_600.0, 497_664.0, 373_248.0, 248_832.0, 16_384.0, 16_384.0, 640.0];
        let forward = 2.0 * layers.iter().sum::<f64>();
        let trained = 800.0 * 64.0 * (3.0 * forward - 2.0 * layers[0]);
        assert_eq!(flops(Origin::None, 0, 0), trained + 4.0 * 5_000.0 * forward);
    }

    #[test]
    fn freezing_saves_and_copying_does_not() {
        assert_eq!(flops(Origin::Other, 3, 0), flops(Origin::None, 0, 0));
        let frozen: Vec<_> = (1..=7).map(|n| flops(Origin::Other, n, n)).collect();
        assert!(frozen.is_sorted_by(|fewer, more| fewer > more), "{frozen:?}");
    }

    #[test]
    fn frozen_layers_are_stored_with_their_source() {
        let whole = checkpoint_bytes(&job(Origin::None, 0, 0));
        let conv1 = 4 * (16 * 25 + 16);
        assert_eq!(checkpoint_bytes(&job(Origin::Other, 1, 1)), whole - conv1);
        assert_eq!(checkpoint_bytes(&job(Origin::Other, 1, 0)), whole);
        assert_eq!(checkpoint_bytes(&job(Origin::Random, 1, 1)), whole);
    }
}
