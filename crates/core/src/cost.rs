//! What a training costs, in floating-point operations and bytes.
//!
//! Only learned operators count: ReLU, pooling, normalisation and the update are a few
//! percent of them. A multiply-add is two operations. The numbers order jobs and fill
//! plans; they promise no times.

use crate::{
    network::{LayerShapes, ShapeError},
    pack::PackFacts,
    recipe::TestImages,
    spec::JobSpec,
};

/// Operations of the whole training with its tests.
///
/// Frozen layers run forward only: no gradient flows into or below them. The lowest layer
/// that learns needs no gradient of its input. A network that does not fit its images,
/// which expansion refuses, costs 0.
#[must_use]
pub fn job_flops(spec: &JobSpec, pack: &PackFacts) -> f64 {
    let layers = layers(spec);
    let forward: f64 = layers.iter().sum();
    let tested = tests(spec) as f64 * images_per_test(spec, pack) as f64;
    trained(spec, &layers) + tested * forward
}

/// Operations of the training without its tests.
#[must_use]
pub fn training_flops(spec: &JobSpec) -> f64 {
    trained(spec, &layers(spec))
}

fn trained(spec: &JobSpec, layers: &[f64]) -> f64 {
    let images = f64::from(spec.recipe.iterations) * f64::from(spec.recipe.batch);
    images * flops_per_training_image(layers, usize::from(spec.treatment.layers_frozen))
}

/// Operations of one image forward and back, layer by layer.
#[must_use]
pub fn training_flops_by_layer(spec: &JobSpec) -> Vec<f64> {
    by_layer(&layers(spec), usize::from(spec.treatment.layers_frozen)).collect()
}

/// Operations of one image forward and back, given those of each layer forward.
#[must_use]
pub fn flops_per_training_image(layers: &[f64], frozen: usize) -> f64 {
    by_layer(layers, frozen).sum()
}

/// Forward; of layers that learn the gradient of the weights; above the lowest of them also
/// that of the input.
fn by_layer(layers: &[f64], frozen: usize) -> impl Iterator<Item = f64> {
    let passes = move |index: usize| 1 + u8::from(index >= frozen) + u8::from(index > frozen);
    layers.iter().enumerate().map(move |(index, forward)| forward * f64::from(passes(index)))
}

/// Bytes of the final weights that the store holds for this job alone.
///
/// Frozen layers are another's bytes and stored with it: the source's, the imported
/// weights', or the one draw that all random networks of a half freeze their layers from
/// ([`frozen_bytes`]); see [`crate::artifact`]. A network that does not fit its images has
/// none.
#[must_use]
pub fn checkpoint_bytes(spec: &JobSpec) -> u64 {
    parameters(spec).skip(usize::from(spec.treatment.layers_frozen)).map(|count| 4 * count).sum()
}

/// Bytes of the frozen layers of this job.
#[must_use]
pub fn frozen_bytes(spec: &JobSpec) -> u64 {
    parameters(spec).take(usize::from(spec.treatment.layers_frozen)).map(|count| 4 * count).sum()
}

fn parameters(spec: &JobSpec) -> impl Iterator<Item = u64> {
    shapes(spec).unwrap_or_default().into_iter().map(|layer| layer.parameters)
}

fn shapes(spec: &JobSpec) -> Result<Vec<LayerShapes>, ShapeError> {
    spec.network.shapes(spec.image.channels, spec.outputs())
}

/// Operations of each layer, forward, for one image; none where the images do not fit.
fn layers(spec: &JobSpec) -> Vec<f64> {
    let flops = |layer: &LayerShapes| 2.0 * layer.multiply_adds as f64;
    shapes(spec).map_or_else(|_| Vec::new(), |shapes| shapes.iter().map(flops).collect())
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
        recipe::{Outputs, Recipe},
        spec::{Classes, Half, ImagesPerClass, Origin, TRAINER_SEMANTICS_VERSION, Treatment},
    };

    fn job(origin: Origin, layers_copied: u8, layers_frozen: u8) -> JobSpec {
        let pack = PackFacts::well_known("fashion-mnist").unwrap();
        JobSpec {
            semantics_version: TRAINER_SEMANTICS_VERSION,
            pack: Digest([0; 32]),
            image: pack.image,
            split: "random-0".to_owned(),
            target: Classes { half: Half::B, indices: vec![2, 4, 5, 6, 9].into() },
            source: None,
            imported: None,
            treatment: Treatment { origin, layers_copied, layers_frozen },
            network: Network::preset("caffenet-28-slim").unwrap().into(),
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
    fn the_papers_network_takes_0_72_billion_multiply_adds_and_1_06_tflop_an_iteration() {
        // By hand, with the groups of conv2, conv4 and conv5: 55·55·96·363, 27·27·256·1200,
        // 13·13·384·2304, 13·13·384·1728, 13·13·256·1728, 9216·4096, 4096·4096, 4096·1000.
        let layers = [
            105_415_200,
            223_948_800,
            149_520_384,
            112_140_288,
            74_760_192,
            37_748_736,
            16_777_216,
            4_096_000,
        ];
        let network = Network::preset("caffenet").unwrap();
        let found: Vec<_> =
            network.shapes(3, 1_000).unwrap().iter().map(|layer| layer.multiply_adds).collect();
        assert_eq!(found, layers);
        assert_eq!(layers.iter().sum::<u64>(), 724_406_816);

        let image = PackFacts::well_known("ilsvrc2012").unwrap().image;
        let recipe = Recipe { outputs: Outputs::Count(1_000), ..Recipe::preset("caffe-2014").unwrap() };
        let iterations = f64::from(recipe.iterations);
        let spec = JobSpec { image, network: network.into(), recipe, ..job(Origin::None, 0, 0) };
        let an_iteration = training_flops(&spec) / iterations;
        assert!((an_iteration / 1.06e12 - 1.0).abs() < 0.01, "{an_iteration}");
    }

    #[test]
    fn freezing_saves_and_copying_does_not() {
        assert_eq!(flops(Origin::Other, 3, 0), flops(Origin::None, 0, 0));
        let frozen: Vec<_> = (1..=7).map(|n| flops(Origin::Other, n, n)).collect();
        assert!(frozen.is_sorted_by(|fewer, more| fewer > more), "{frozen:?}");
    }

    #[test]
    fn frozen_layers_are_not_stored_a_second_time() {
        let whole = checkpoint_bytes(&job(Origin::None, 0, 0));
        let conv1 = 4 * (16 * 25 + 16);
        assert_eq!(checkpoint_bytes(&job(Origin::Other, 1, 1)), whole - conv1);
        assert_eq!(checkpoint_bytes(&job(Origin::Other, 1, 0)), whole);
        assert_eq!(checkpoint_bytes(&job(Origin::Random, 1, 1)), whole - conv1);
        assert_eq!(frozen_bytes(&job(Origin::Random, 1, 1)), conv1);
    }
}
