//! The paper's network and its small relatives.
//!
//! Pooling comes before normalisation; groups of 2 in conv2, conv4 and conv5; bias 1 in
//! conv2, conv4, conv5, fc6 and fc7 (Yosinski et al. 2014 used Caffe's reference network;
//! Krizhevsky et al. 2012, section 3.5, for the groups and biases).

use super::{Layer, LinearOutputs, Network, Operator, Start};

struct Sizes {
    side: u32,
    conv1: Conv,
    /// Outputs of conv2 to conv5.
    outputs: [u32; 4],
    fully_connected: u32,
}

struct Conv {
    outputs: u32,
    kernel: u32,
    stride: u32,
    pad: u32,
}

pub(super) fn preset(name: &str) -> Option<Network> {
    let five_by_five = |outputs| Conv { outputs, kernel: 5, stride: 1, pad: 2 };
    let sizes = match name {
        "caffenet-28-slim" => {
            Sizes { side: 28, conv1: five_by_five(16), outputs: [32, 48, 48, 32], fully_connected: 128 }
        }
        "caffenet-28" => {
            Sizes { side: 28, conv1: five_by_five(32), outputs: [64, 96, 96, 64], fully_connected: 256 }
        }
        "caffenet-32" => {
            Sizes { side: 32, conv1: five_by_five(32), outputs: [64, 96, 96, 64], fully_connected: 256 }
        }
        "caffenet-64" => Sizes {
            side: 64,
            conv1: Conv { outputs: 64, kernel: 7, stride: 2, pad: 3 },
            outputs: [128, 192, 192, 128],
            fully_connected: 1024,
        },
        "caffenet" => Sizes {
            side: 227,
            conv1: Conv { outputs: 96, kernel: 11, stride: 4, pad: 0 },
            outputs: [256, 384, 384, 256],
            fully_connected: 4096,
        },
        _ => return None,
    };
    Some(build(name, &sizes))
}

fn build(name: &str, sizes: &Sizes) -> Network {
    let [conv2, conv3, conv4, conv5] = sizes.outputs;
    let Conv { outputs: conv1, kernel, stride, pad } = sizes.conv1;
    let width = LinearOutputs::Count(sizes.fully_connected);
    let pool = Operator::MaxPool { kernel: 3, stride: 2 };
    let norm = Operator::LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, k: 1.0 };
    let relu = Operator::Relu;
    let layers = vec![
        layer(
            "conv1",
            [convolution(conv1, [kernel, stride, pad], 1, 0.0), relu.clone(), pool.clone(), norm.clone()],
        ),
        layer("conv2", [convolution(conv2, [5, 1, 2], 2, 1.0), relu.clone(), pool.clone(), norm]),
        layer("conv3", [convolution(conv3, [3, 1, 1], 1, 0.0), relu.clone()]),
        layer("conv4", [convolution(conv4, [3, 1, 1], 2, 1.0), relu.clone()]),
        layer("conv5", [convolution(conv5, [3, 1, 1], 2, 1.0), relu.clone(), pool]),
        layer("fc6", [linear(width, 0.005, 1.0), relu.clone(), Operator::Dropout]),
        layer("fc7", [linear(width, 0.005, 1.0), relu, Operator::Dropout]),
        layer("fc8", [linear(LinearOutputs::Recipe, 0.01, 0.0)]),
    ];
    Network { name: name.to_owned(), side: sizes.side, layers }
}

fn layer<const N: usize>(name: &str, operators: [Operator; N]) -> Layer {
    Layer { name: name.to_owned(), operators: operators.into() }
}

fn convolution(outputs: u32, [kernel, stride, pad]: [u32; 3], groups: u32, bias: f64) -> Operator {
    let start = Start { weight_deviation: 0.01, bias };
    Operator::Convolution { outputs, kernel, stride, pad, groups, start }
}

fn linear(outputs: LinearOutputs, weight_deviation: f64, bias: f64) -> Operator {
    Operator::Linear { outputs, start: Start { weight_deviation, bias } }
}
