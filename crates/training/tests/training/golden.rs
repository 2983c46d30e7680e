//! Operators against PyTorch.
//!
//! `golden/operators.json` is written by `golden/make_operators.py` (PyTorch 2.9.1, float64
//! and float32). Each test prints a table of its errors and checks all of them.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use selffer_core::recipe::{Drop, Recipe};
use selffer_training::{
    HostParameters, HostTensor, Parameters,
    network::{Layer, Operator},
    ops::{
        Activation, conv2d::Conv2d, dropout::Dropout, linear, lrn::LocalResponseNorm, max_pool::MaxPool,
        relu, softmax_loss,
    },
    solver::{Rates, Sgd},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::filled::filled;
use crate::reference::{
    Record, Table, channels_first, channels_last, dropout_stream, fractions, labels, levels, read,
};

/// Largest `max |ours − float64| / max |float64|` of a tensor, and of sum and norm as shares
/// of the norm, for single operators in float32.
const ERROR_MAX: f64 = 1e-5;

#[derive(Deserialize)]
struct Case {
    case: String,
    parameters: Value,
    tensors: BTreeMap<String, Record>,
}

impl Case {
    fn parameter<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_value(self.parameters[key].clone()).unwrap()
    }

    fn count(&self, key: &str) -> usize {
        self.parameter(key)
    }

    fn shape(&self) -> Vec<usize> {
        self.parameter("shape_x")
    }

    fn name(&self, tensor: &str) -> String {
        format!("{}/{tensor}", self.case)
    }

    /// An input in -1..1.
    fn input(&self, name: &str, shape: &[usize]) -> Tensor {
        fractions(&self.name(name), shape, 1.0)
    }

    /// The gradient from above, in the shape of the result.
    fn upstream(&self, y: &Tensor) -> Tensor {
        self.input("dy", y.dims())
    }
}

/// Results of one case by their names in the file, in PyTorch's order.
type Results = Vec<(&'static str, Tensor)>;

/// Compares what `run` computes with every tensor of every case of this operator.
fn check(operator: &str, run: impl Fn(&Case) -> Results) {
    let mut cases: BTreeMap<String, Vec<Case>> = read("operators.json");
    let mut table = Table::default();
    let mut wrong = Vec::new();
    for case in cases.remove(operator).unwrap() {
        let results = run(&case);
        assert_eq!(results.len(), case.tensors.len(), "{}", case.case);
        for (tensor, ours) in results {
            let (name, record) = (case.name(tensor), &case.tensors[tensor]);
            let errors = record.errors(&name, &ours);
            if errors.largest.max(errors.sum).max(errors.norm) >= ERROR_MAX {
                wrong.push(name.clone());
            }
            table.push(name, errors, record.float32);
        }
    }
    table.print();
    assert!(wrong.is_empty(), "errors of {ERROR_MAX} or more in {wrong:?}\n{table}");
}

fn convolve(conv: Conv2d, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    conv.forward(x, weight, bias, Activation::Identity).unwrap()
}

fn connect(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Tensor {
    linear::forward(x, weight, bias, Activation::Identity).unwrap()
}

#[test]
fn convolution_equals_pytorch() {
    check("convolution", |case| {
        let [kernel, stride, pad, groups] = ["kernel", "stride", "pad", "groups"].map(|key| case.count(key));
        let conv = Conv2d { kernel, stride, pad, groups };
        let (shape, outputs) = (case.shape(), case.count("outputs"));
        let x = channels_last(&case.input("x", &shape));
        let weight = case.input("weight", &[outputs, shape[1] / groups, kernel, kernel]);

        let y = channels_first(&convolve(conv, &x, &weight, &case.input("bias", &[outputs])));
        let dy = channels_last(&case.upstream(&y));
        let dx = conv.gradient_input(&dy, &weight, (shape[2], shape[3])).unwrap();
        vec![
            ("y", y),
            ("dx", channels_first(&dx)),
            ("dweight", filled(weight.dims(), |into| conv.gradient_weight(into, &dy, &x))),
            ("dbias", filled(outputs, |into| linear::gradient_bias(into, &dy))),
        ]
    });
}

#[test]
fn max_pool_equals_pytorch_and_ties_go_to_the_first() {
    check("max_pool", |case| {
        let pool = MaxPool { kernel: case.count("kernel"), stride: case.count("stride") };
        let x = match case.parameter("levels") {
            0 => case.input("x", &case.shape()),
            count => levels(&case.name("x"), &case.shape(), count),
        };
        let x = channels_last(&x);
        let y = pool.forward(&x).unwrap();
        let dy = channels_last(&case.upstream(&channels_first(&y)));
        let dx = pool.gradient(&x, &y, &dy).unwrap();
        vec![("y", channels_first(&y)), ("dx", channels_first(&dx))]
    });
}

#[test]
fn response_norm_equals_pytorch() {
    check("response_norm", |case| {
        let norm = LocalResponseNorm {
            size: case.count("size"),
            alpha: case.parameter("alpha"),
            beta: case.parameter("beta"),
            k: case.parameter("k"),
        };
        let x = fractions(&case.name("x"), &case.shape(), case.parameter("scale"));
        let x = channels_last(&x);
        let y = channels_first(&norm.forward(&x).unwrap());
        let dx = norm.gradient(&x, &channels_last(&case.upstream(&y))).unwrap();
        vec![("y", y), ("dx", channels_first(&dx))]
    });
}

#[test]
fn linear_equals_pytorch() {
    check("linear", |case| {
        let (shape, outputs) = (case.shape(), case.count("outputs"));
        let (x, weight) = (case.input("x", &shape), case.input("weight", &[outputs, shape[1]]));
        let y = connect(&x, &weight, &case.input("bias", &[outputs]));
        let dy = case.upstream(&y);
        vec![
            ("y", y),
            ("dx", linear::gradient_input(&dy, &weight).unwrap()),
            ("dweight", filled(weight.dims(), |into| linear::gradient_weight(into, &dy, &x))),
            ("dbias", filled(outputs, |into| linear::gradient_bias(into, &dy))),
        ]
    });
}

#[test]
fn relu_equals_pytorch_with_no_gradient_at_zero() {
    check("relu", |case| {
        let y = levels(&case.name("x"), &case.shape(), case.parameter("levels"));
        let is_zero = y.eq(0.0).unwrap().sum_all().unwrap().to_scalar::<u8>().unwrap();
        assert!(is_zero > 0, "the case must have values at exactly 0");
        relu::forward_in_place(&y).unwrap();
        let dx = case.upstream(&y);
        relu::backward_in_place(&dx, &y).unwrap();
        vec![("y", y), ("dx", dx)]
    });
}

#[test]
fn dropout_equals_pytorch_with_the_streams_mask() {
    check("dropout", |case| {
        let dropout = Dropout::new(dropout_stream(&case.case, 3), case.parameter("share"));
        let y = case.input("x", &case.shape());
        let dx = case.upstream(&y);
        dropout.apply_in_place(&y).unwrap();
        dropout.apply_in_place(&dx).unwrap();
        vec![("y", y), ("dx", dx)]
    });
}

#[test]
fn softmax_loss_equals_pytorch() {
    check("softmax_loss", |case| {
        let shape = case.shape();
        let logits = fractions(&case.name("logits"), &shape, case.parameter("scale"));
        let labels = labels(&case.name("labels"), shape[0], shape[1] as u32);
        let labels = Tensor::new(labels, &Device::Cpu).unwrap();
        vec![
            ("loss", softmax_loss::mean_loss(&logits, &labels).unwrap()),
            ("dlogits", softmax_loss::gradient(&logits, &labels).unwrap()),
        ]
    });
}

/// What the case changes in a recipe.
#[derive(Deserialize)]
struct SgdRecipe {
    learning_rate: f64,
    drops: Vec<Drop>,
    iterations: u32,
    momentum: f64,
    decay: f64,
    bias_learning_rate_factor: f64,
    bias_decay_factor: f64,
}

#[test]
fn caffes_update_equals_its_formula_in_pytorch_also_where_the_rate_drops() {
    check("sgd", |case| {
        let SgdRecipe { learning_rate, drops, iterations, momentum, decay, .. } = case.parameter("recipe");
        let SgdRecipe { bias_learning_rate_factor, bias_decay_factor, .. } = case.parameter("recipe");
        let recipe = Recipe {
            learning_rate,
            drops,
            iterations,
            momentum,
            decay,
            bias_learning_rate_factor,
            bias_decay_factor,
            ..Recipe::quick_28()
        };
        let (weight, bias) = ([7, 5, 3, 3], [7]);
        let zeros = HostParameters { weight: HostTensor::zeros(&weight), bias: HostTensor::zeros(&bias) };
        let parameters =
            Parameters { weight: case.input("weight", &weight), bias: case.input("bias", &bias) };
        let operators = vec![Operator::Linear(Activation::Identity)];
        let mut layers = [Layer { name: "layer".to_owned(), parameters, operators }];
        let solver = Sgd::new(&mut layers, &[zeros]).unwrap();
        for update in 0..iterations {
            let Parameters { weight: dweight, bias: dbias } = &solver.gradients()[0];
            dweight.slice_set(&case.input(&format!("dweight/{update}"), &weight), 0, 0).unwrap();
            dbias.slice_set(&case.input(&format!("dbias/{update}"), &bias), 0, 0).unwrap();
            solver.update(Rates::at(&recipe, update)).unwrap();
        }
        let momentum = Parameters::from_host(&solver.to_host().unwrap()[0]).unwrap();
        let [Layer { parameters, .. }] = layers;
        vec![
            ("weight", parameters.weight),
            ("bias", parameters.bias),
            ("momentum_weight", momentum.weight),
            ("momentum_bias", momentum.bias),
        ]
    });
}
