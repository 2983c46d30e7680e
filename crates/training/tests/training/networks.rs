//! Networks other than the smallest: from a file, coloured, cropped, and the paper's own.

use selffer_core::{
    network::{Network, file},
    recipe::{Initialiser, Order, Outputs, Recipe, TestImages},
    spec::{Half, JobSpec, Origin, Treatment},
    stream::Streams,
};
use selffer_training::{
    Checkpoint, HostParameters, TrainError, Training,
    network::{DropoutDraw, Network as OnDevice, build_operators, initial_parameters},
    ops::softmax_loss,
    solver::{Rates, Sgd},
    train,
};

use crate::{
    coloured::{base, grafted, pack, training},
    synthetic::{Recorder, finish},
};

/// Three layers with stride, padding, normalisation and dropout.
const THREE_LAYERS: &str = "
network: three-layers
side: 16
layers:
  - name: conv1
    operators:
      - convolution: {outputs: 12, kernel: 5, stride: 2, pad: 2, weight_deviation: 0.1}
      - relu
      - max_pool: {kernel: 3, stride: 2}
      - local_response_norm: {size: 3, alpha: 0.001}
  - name: fc2
    operators: [linear: {outputs: 24, weight_deviation: 0.1, bias: 0.1}, relu, dropout]
  - name: fc3
    operators: [linear: {outputs: recipe, weight_deviation: 0.1}]
";

fn three_layers() -> Network {
    file::read("three-layers.yaml", THREE_LAYERS).unwrap().network().clone()
}

/// The authors' recipe in small: cropped, mirrored, Gaussian, fixed order, wrapping tests.
fn recipe() -> Recipe {
    Recipe {
        iterations: 60,
        batch: 16,
        scale: 1.0 / 64.0,
        crop: Some(16),
        test_every: 20,
        order: Order::Fixed,
        test_images: TestImages::Count(25),
        outputs: Outputs::Count(5),
        ..Recipe::preset("caffe-2014").unwrap()
    }
}

#[test]
fn a_network_of_three_layers_from_a_file_is_trained_with_every_treatment() {
    let pack = pack(20, 23);
    let of_half = |half| base(&pack, three_layers(), recipe(), half);
    let train = |spec: &JobSpec, source| finish(training(spec, &pack, source), &mut Recorder::default());
    let source_spec = of_half(Half::A);
    let (result, source) = train(&source_spec, None);
    assert!(result.test.top1() > 0.9, "{:?}", result.test);
    assert_eq!((result.tests, result.test.images), (3, 25));

    let target = of_half(Half::B);
    let shares_with_source =
        |network: &Checkpoint| network.layers.iter().zip(&source.layers).filter(|(a, b)| a == b).count();
    for n in 1..=2 {
        for (origin, frozen, shared) in
            [(Origin::Other, n, usize::from(n)), (Origin::Other, 0, 0), (Origin::Random, n, 0)]
        {
            let treatment = Treatment { origin, layers_copied: n, layers_frozen: frozen };
            let spec = grafted(&target, (&source_spec, &source), treatment);
            let (result, network) = train(&spec, spec.source.as_ref().map(|_| &source));
            assert_eq!(shares_with_source(&network), shared, "{treatment:?}");
            assert_eq!(result.copied_layers_unchanged, Some(frozen == n), "{treatment:?}");
            assert!(result.test.loss.is_finite() && !result.stuck_at_chance, "{treatment:?}");
        }
    }
    let all = Treatment { origin: Origin::Other, layers_copied: 3, layers_frozen: 3 };
    let spec = grafted(&target, (&source_spec, &source), all);
    let error = selffer_training::train(training(&spec, &pack, Some(&source)), &mut Recorder::default());
    assert!(matches!(error, Err(TrainError::LayersCopied { layer_count: 3, .. })), "{error:?}");
}

#[test]
fn crop_mirror_and_order_are_part_of_what_is_trained() {
    let pack = pack(20, 23);
    let of = |recipe| {
        let spec = base(&pack, three_layers(), Recipe { iterations: 12, ..recipe }, Half::W);
        finish(training(&spec, &pack, None), &mut Recorder::default()).0.weights_digest
    };
    let plain = of(recipe());
    assert_eq!(of(recipe()), plain);
    assert_ne!(of(Recipe { mirror: false, ..recipe() }), plain);
    // 12 iterations of 16 images are more than the 120 of an epoch: the second differs.
    assert_ne!(of(Recipe { order: Order::Shuffled, ..recipe() }), plain);
    assert_ne!(of(Recipe { initialiser: Initialiser::He, ..recipe() }), plain);
}

#[test]
fn images_smaller_than_the_crop_are_refused() {
    let pack = pack(15, 23);
    let spec = base(&pack, three_layers(), recipe(), Half::W);
    let error = train(training(&spec, &pack, None), &mut Recorder::default()).unwrap_err();
    assert!(matches!(error, TrainError::ImageSize { height: 15, width: 23, side: 16, .. }), "{error}");
}

#[test]
fn coloured_networks_are_the_same_on_any_number_of_threads() {
    for (network, side) in [("caffenet-32", 32), ("caffenet-64", 64)] {
        let pack = pack(side, side);
        let preset = Recipe::preset(&format!("quick-{side}")).unwrap();
        let recipe = Recipe { iterations: 3, batch: 20, test_images: TestImages::Count(9), ..preset };
        let spec = base(&pack, Network::preset(network).unwrap(), recipe, Half::W);
        let on =
            |threads| finish(Training { threads, ..training(&spec, &pack, None) }, &mut Recorder::default());
        let one = on(1);
        assert_eq!(one, on(2), "{network} on 2 threads");
        assert_eq!(one, on(4), "{network} on 4 threads");
    }
}

#[test]
fn the_papers_network_takes_one_step() {
    let pack = pack(256, 256);
    let recipe = Recipe { outputs: Outputs::Count(1_000), ..Recipe::preset("caffe-2014").unwrap() };
    let spec = base(&pack, Network::preset("caffenet").unwrap(), recipe, Half::W);
    let parameters = initial_parameters(&spec).unwrap();
    let count = |layer: &HostParameters| layer.weight.values.len() + layer.bias.values.len();
    assert_eq!(parameters.iter().map(count).sum::<usize>(), 60_965_224);
    check_gaussian_start(&parameters);

    let mut network = OnDevice::new(build_operators(&spec).unwrap(), &parameters, 0).unwrap();
    let momentum: Vec<_> = parameters.iter().map(HostParameters::zeros_like).collect();
    let solver = Sgd::new(&mut network.layers, &momentum).unwrap();
    drop((parameters, momentum));
    let streams = Streams::of(&spec);
    let draw = DropoutDraw { streams: &streams, iteration: 0, share: spec.recipe.dropout };
    let images = candle_core::Tensor::randn(0f32, 60.0, (2, 227, 227, 3), &candle_core::Device::Cpu).unwrap();
    let labels = candle_core::Tensor::from_slice(&[1_u32, 3], 2, &candle_core::Device::Cpu).unwrap();

    let (logits, trace) = network.forward(&images, draw).unwrap();
    let loss: Vec<f64> = softmax_loss::mean_loss(&logits, &labels).unwrap().to_vec1().unwrap();
    let gradient = softmax_loss::gradient(&logits, &labels).unwrap();
    network.backward(trace, gradient, draw, solver.gradients()).unwrap();
    solver.update(Rates::at(&spec.recipe, 0)).unwrap();

    assert_eq!(logits.dims(), [2, 1_000]);
    assert!((loss.iter().sum::<f64>() - 1_000_f64.ln()).abs() < 1.0, "{loss:?}");
    for (layer, gradient) in network.layers.iter().zip(solver.gradients()) {
        assert_eq!(layer.parameters.weight.dims(), gradient.weight.dims(), "{}", layer.name);
        let size: f32 = gradient.weight.abs().unwrap().max_all().unwrap().to_scalar().unwrap();
        assert!(size > 0.0 && size.is_finite(), "{}: {size}", layer.name);
    }
}

/// Deviations 0.01 and 0.005, biases 0 and 1, as in the authors' network text.
fn check_gaussian_start(parameters: &[HostParameters]) {
    let expected = [
        (0.01, 0.0),
        (0.01, 1.0),
        (0.01, 0.0),
        (0.01, 1.0),
        (0.01, 1.0),
        (0.005, 1.0),
        (0.005, 1.0),
        (0.01, 0.0),
    ];
    for (layer, (deviation, bias)) in parameters.iter().zip(expected) {
        let values = &layer.weight.values[..30_000];
        let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        let found = (squares / values.len() as f64).sqrt();
        assert!((found / deviation - 1.0).abs() < 0.03, "{found} is not {deviation}");
        assert!(layer.bias.values.iter().all(|value| *value == bias), "{bias}");
    }
}
