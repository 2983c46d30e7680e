//! Gradients against differences: `(L(x + h) − L(x − h)) / 2h` for `L = Σ upstream · y`.
//!
//! Each operator by itself at odd sizes, and a whole network along its own gradient.

use candle_core::{Device, Tensor};
use selffer_core::{
    network::{Layer, LinearOutputs, Network as Description, Operator, Start},
    spec::JobSpec,
    stream::Streams,
};
use selffer_training::{
    HostParameters, HostTensor,
    network::{DropoutDraw, Network, build_operators, initial_parameters},
    ops::{
        Activation, conv2d::Conv2d, dropout::Dropout, linear, lrn::LocalResponseNorm, max_pool::MaxPool,
        relu, softmax_loss,
    },
};

use crate::{filled::filled, synthetic::spec_of_numbers};

/// Numbers between −1 and 1 without repeats, so that no window has a tie.
fn tensor(shape: &[usize], seed: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let value = |index: usize| ((index * 7919 + seed * 104_729) % 99_991) as f32 / 50_000.0 - 1.0;
    Tensor::from_vec((0..count).map(value).collect(), shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn objective(y: &Tensor, upstream: &Tensor) -> f64 {
    let terms = values(y).into_iter().zip(values(upstream));
    terms.map(|(y, upstream)| f64::from(y) * f64::from(upstream)).sum()
}

/// Checks `gradient` of `objective(function(x))` at every value of `x`.
fn check(x: &Tensor, gradient: &Tensor, step: f32, function: impl Fn(&Tensor) -> f64) {
    assert_eq!(x.dims(), gradient.dims());
    let (values, gradient) = (values(x), values(gradient));
    let largest = gradient.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(value.abs())));
    for index in 0..values.len() {
        let moved = |by: f32| {
            let mut values = values.clone();
            values[index] += by;
            function(&Tensor::from_vec(values, x.dims(), &Device::Cpu).unwrap())
        };
        let difference = (moved(step) - moved(-step)) / f64::from(2.0 * step);
        let error = (difference - f64::from(gradient[index])).abs();
        assert!(error < 5e-3 * (1.0 + largest), "[{index}]: {difference} is not {}", gradient[index]);
    }
}

#[test]
fn convolution_gradients_are_differences() {
    let cases = [
        (Conv2d { kernel: 3, stride: 2, pad: 1, groups: 2 }, [3, 7, 5, 4], 6),
        (Conv2d { kernel: 2, stride: 1, pad: 0, groups: 1 }, [2, 4, 3, 3], 5),
        (Conv2d { kernel: 5, stride: 3, pad: 4, groups: 3 }, [9, 5, 6, 3], 3),
    ];
    for (conv, shape, outputs) in cases {
        let [_, height, width, channels] = shape;
        let x = tensor(&shape, 1);
        let weight = tensor(&[outputs, channels / conv.groups, conv.kernel, conv.kernel], 2);
        let bias = tensor(&[outputs], 3);
        let y = conv.forward(&x, &weight, &bias, Activation::Identity).unwrap();
        let upstream = tensor(y.dims(), 4);

        let dx = conv.gradient_input(&upstream, &weight, (height, width)).unwrap();
        check(&x, &dx, 0.25, |x| {
            objective(&conv.forward(x, &weight, &bias, Activation::Identity).unwrap(), &upstream)
        });
        let dw = filled(weight.dims(), |into| conv.gradient_weight(into, &upstream, &x));
        check(&weight, &dw, 0.25, |weight| {
            objective(&conv.forward(&x, weight, &bias, Activation::Identity).unwrap(), &upstream)
        });
        let db = filled(outputs, |into| linear::gradient_bias(into, &upstream));
        check(&bias, &db, 0.25, |bias| {
            objective(&conv.forward(&x, &weight, bias, Activation::Identity).unwrap(), &upstream)
        });
    }
}

#[test]
fn linear_gradients_are_differences() {
    let (x, weight, bias) = (tensor(&[9, 13], 1), tensor(&[131, 13], 2), tensor(&[131], 3));
    let upstream = tensor(&[9, 131], 4);
    let dx = linear::gradient_input(&upstream, &weight).unwrap();
    check(&x, &dx, 0.25, |x| {
        objective(&linear::forward(x, &weight, &bias, Activation::Identity).unwrap(), &upstream)
    });
    let dw = filled(weight.dims(), |into| linear::gradient_weight(into, &upstream, &x));
    check(&weight, &dw, 0.25, |weight| {
        objective(&linear::forward(&x, weight, &bias, Activation::Identity).unwrap(), &upstream)
    });
}

#[test]
fn pooling_gradients_are_differences() {
    for (kernel, stride, channels) in [(3, 2, 3), (2, 2, 16), (3, 1, 19)] {
        let pool = MaxPool { kernel, stride };
        let x = tensor(&[2, 5, 7, channels], 5);
        let y = pool.forward(&x).unwrap();
        let upstream = tensor(y.dims(), 6);
        let dx = pool.gradient(&x, &y, &upstream).unwrap();
        check(&x, &dx, 1e-5, |x| objective(&pool.forward(x).unwrap(), &upstream));
    }
}

#[test]
fn normalisation_gradients_are_differences() {
    for (size, beta, channels) in [(5, 0.75, 7), (3, 0.6, 17), (5, 0.75, 2)] {
        let norm = LocalResponseNorm { size, alpha: 1.5, beta, k: 1.0 };
        let x = tensor(&[2, 2, 3, channels], 7);
        let upstream = tensor(x.dims(), 8);
        let dx = norm.gradient(&x, &upstream).unwrap();
        check(&x, &dx, 1e-2, |x| objective(&norm.forward(x).unwrap(), &upstream));
    }
}

/// What an operator makes of a copy of `x`.
fn in_place(x: &Tensor, operator: impl Fn(&Tensor) -> candle_core::Result<()>) -> Tensor {
    let y = x.copy().unwrap();
    operator(&y).unwrap();
    y
}

#[test]
fn relu_gradients_are_differences() {
    let x = tensor(&[7, 19], 10);
    let upstream = tensor(x.dims(), 11);
    let y = in_place(&x, relu::forward_in_place);
    let dx = in_place(&upstream, |gradient| relu::backward_in_place(gradient, &y));
    check(&x, &dx, 1e-5, |x| objective(&in_place(x, relu::forward_in_place), &upstream));
}

#[test]
fn dropout_gradients_are_differences() {
    let dropout = Dropout::new(Streams::of(&spec_of_numbers()).dropout("fc1", 3), 0.4);
    let x = tensor(&[5, 23], 12);
    let upstream = tensor(x.dims(), 13);
    let dx = in_place(&upstream, |gradient| dropout.apply_in_place(gradient));
    check(&x, &dx, 0.25, |x| objective(&in_place(x, |x| dropout.apply_in_place(x)), &upstream));
}

#[test]
fn the_loss_gradient_is_a_difference() {
    let logits = tensor(&[5, 3], 9);
    let labels = Tensor::new(&[0_u32, 2, 1, 1, 0], &Device::Cpu).unwrap();
    let loss =
        |logits: &Tensor| softmax_loss::mean_loss(logits, &labels).unwrap().to_vec1::<f64>().unwrap()[0];
    check(&logits, &softmax_loss::gradient(&logits, &labels).unwrap(), 1e-2, loss);
}

#[test]
fn dropout_keeps_its_share_and_silences_gradients_alike() {
    let stream = Streams::of(&spec_of_numbers()).dropout("fc1", 3);
    let ones = || Tensor::ones((250, 401), candle_core::DType::F32, &Device::Cpu).unwrap();
    let (y, gradient) = (ones(), ones());
    Dropout::new(stream, 0.3).apply_in_place(&y).unwrap();
    Dropout::new(stream, 0.3).apply_in_place(&gradient).unwrap();

    assert_eq!(values(&y), values(&gradient));
    let kept = values(&y).iter().filter(|&&value| value == 1.0 / 0.7).count();
    let silenced = values(&y).iter().filter(|&&value| value == 0.0).count();
    assert_eq!(kept + silenced, 250 * 401);
    assert!((kept as f64 / (250.0 * 401.0) - 0.7).abs() < 0.005, "{kept} kept");
}

/// Every operator once, in an order that needs the flattening `[C, H, W]`.
fn mixed_network() -> Description {
    let start = Start { weight_deviation: 0.1, bias: 0.1 };
    let convolution =
        |outputs, groups| Operator::Convolution { outputs, kernel: 3, stride: 1, pad: 1, groups, start };
    let layer = |name: &str, operators| Layer { name: name.to_owned(), operators };
    let pool = Operator::MaxPool { kernel: 3, stride: 2 };
    let norm = Operator::LocalResponseNorm { size: 3, alpha: 0.5, beta: 0.75, k: 1.0 };
    let linear = |outputs| Operator::Linear { outputs, start };
    Description {
        name: "mixed".to_owned(),
        side: 9,
        layers: vec![
            layer("conv1", vec![convolution(6, 1), Operator::Relu, pool, norm.clone()]),
            layer("conv2", vec![convolution(8, 2), norm, Operator::Relu]),
            layer("fc1", vec![linear(LinearOutputs::Count(10)), Operator::Relu, Operator::Dropout]),
            layer("fc2", vec![linear(LinearOutputs::Recipe)]),
        ],
    }
}

fn mixed_spec() -> JobSpec {
    let mut spec = spec_of_numbers();
    (spec.image.height, spec.image.width) = (9, 9);
    spec.network = mixed_network().into();
    spec
}

/// Loss of the mixed network with these parameters, and the gradients.
fn loss_and_gradients(
    spec: &JobSpec,
    parameters: &[HostParameters],
    frozen: usize,
) -> (f64, Vec<HostParameters>) {
    let network = Network::new(build_operators(spec).unwrap(), parameters, frozen).unwrap();
    let learning = network.layers_learning().iter();
    let gradients: Vec<_> = learning.map(|layer| layer.parameters.zeros_like().unwrap()).collect();
    let images = tensor(&[6, 9, 9, 1], 10);
    let labels = Tensor::new(&[0_u32, 1, 2, 0, 1, 2], &Device::Cpu).unwrap();
    let streams = Streams::of(spec);
    let draw = DropoutDraw { streams: &streams, iteration: 0, share: 0.5 };
    let (logits, trace) = network.forward(&images, draw).unwrap();
    let loss = softmax_loss::mean_loss(&logits, &labels).unwrap().to_vec1::<f64>().unwrap()[0];
    let gradient = softmax_loss::gradient(&logits, &labels).unwrap();
    network.backward(trace, gradient, draw, &gradients).unwrap();
    (loss, gradients.iter().map(|gradient| gradient.to_host().unwrap()).collect())
}

fn moved(tensor: &HostTensor, along: &HostTensor, by: f32) -> HostTensor {
    let values = tensor.values.iter().zip(&along.values).map(|(value, along)| value + by * along);
    HostTensor { shape: tensor.shape.clone(), values: values.collect() }
}

#[test]
fn a_networks_loss_changes_along_its_gradient_as_the_gradient_says() {
    let spec = mixed_spec();
    let parameters = initial_parameters(&spec).unwrap();
    let (_, gradients) = loss_and_gradients(&spec, &parameters, 0);
    for (index, gradient) in gradients.iter().enumerate() {
        let along = [
            HostParameters { bias: HostTensor::zeros(&gradient.bias.shape), ..gradient.clone() },
            HostParameters { weight: HostTensor::zeros(&gradient.weight.shape), ..gradient.clone() },
        ];
        for along in along {
            let squares =
                |tensor: &HostTensor| tensor.values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            let length = (squares(&along.weight) + squares(&along.bias)).sqrt();
            assert!(length > 1e-4, "layer {index} must learn in this test");
            let step = 2e-3;
            let loss = |sign: f32| {
                let by = sign * step / length as f32;
                let mut parameters = parameters.clone();
                parameters[index].weight = moved(&parameters[index].weight, &along.weight, by);
                parameters[index].bias = moved(&parameters[index].bias, &along.bias, by);
                loss_and_gradients(&spec, &parameters, 0).0
            };
            let slope = (loss(1.0) - loss(-1.0)) / f64::from(2.0 * step);
            assert!((slope / length - 1.0).abs() < 0.03, "layer {index}: {slope} is not {length}");
        }
    }
}

#[test]
fn frozen_layers_get_no_gradient_and_change_no_other() {
    let spec = mixed_spec();
    let parameters = initial_parameters(&spec).unwrap();
    let (_, all) = loss_and_gradients(&spec, &parameters, 0);
    for frozen in 1..4 {
        let (_, upper) = loss_and_gradients(&spec, &parameters, frozen);
        assert_eq!(upper, all[frozen..], "{frozen} frozen");
    }
}

#[test]
fn dropout_after_frozen_layers_still_acts() {
    let spec = mixed_spec();
    let parameters = initial_parameters(&spec).unwrap();
    let network = Network::new(build_operators(&spec).unwrap(), &parameters, 3).unwrap();
    let images = tensor(&[6, 9, 9, 1], 10);
    let streams = Streams::of(&spec);
    let logits = |iteration| {
        let draw = DropoutDraw { streams: &streams, iteration, share: 0.5 };
        values(&network.forward(&images, draw).unwrap().0)
    };
    assert_eq!(logits(0), logits(0));
    assert_ne!(logits(0), logits(1));
    assert_ne!(logits(0), values(&network.test(&images).unwrap()));
}
