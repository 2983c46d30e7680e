//! Operators against PyTorch's numbers.
//!
//! `golden/operators.json` is written by `golden/make_operators.py` (PyTorch 2.15.0, float64).
//! Its images are `[N, C, H, W]`; ours are channels-last.

use candle_core::{Device, Tensor};
use selffer_training::ops::{
    conv2d::Conv2d, linear, lrn::LocalResponseNorm, max_pool::MaxPool, relu, softmax_loss,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    shape: Vec<usize>,
    values: Vec<f64>,
}

fn cases(operator: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/operators.json");
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    let cases = cases[operator].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn golden(case: &Value, name: &str) -> Golden {
    serde_json::from_value(case[name].clone()).unwrap()
}

/// A tensor as PyTorch has it.
fn plain(case: &Value, name: &str) -> Tensor {
    let Golden { shape, values } = golden(case, name);
    let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Images, made channels-last.
fn images(case: &Value, name: &str) -> Tensor {
    plain(case, name).permute((0, 2, 3, 1)).unwrap().contiguous().unwrap()
}

fn whole(case: &Value, name: &str) -> usize {
    case[name].as_u64().unwrap() as usize
}

fn float(case: &Value, name: &str) -> f32 {
    case[name].as_f64().unwrap() as f32
}

/// Checks every value to a few units of rounding, relative to the largest.
fn assert_close(ours: &Tensor, theirs: &Tensor, what: &str) {
    assert_eq!(ours.dims(), theirs.dims(), "{what}");
    let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (ours, theirs) = (values(ours), values(theirs));
    let largest = theirs.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
    for (index, (one, other)) in ours.iter().zip(&theirs).enumerate() {
        assert!((one - other).abs() <= 2e-6 * largest, "{what}[{index}]: {one} is not {other}");
    }
}

#[test]
fn convolution_equals_pytorch() {
    for case in cases("convolution") {
        let conv = Conv2d {
            kernel: whole(&case, "kernel"),
            stride: whole(&case, "stride"),
            pad: whole(&case, "pad"),
            groups: whole(&case, "groups"),
        };
        let (x, weight, dy) = (images(&case, "x"), plain(&case, "weight"), images(&case, "d_y"));
        let (_, height, width, _) = x.dims4().unwrap();

        let y = conv.forward(&x, &weight, &plain(&case, "bias")).unwrap();
        assert_close(&y, &images(&case, "y"), "y");
        let dx = conv.gradient_input(&dy, &weight, (height, width)).unwrap();
        assert_close(&dx, &images(&case, "d_x"), "dx");
        let dw = conv.gradient_weight(&dy, &x).unwrap();
        assert_close(&dw, &plain(&case, "d_weight"), "dw");
        assert_close(&linear::gradient_bias(&dy).unwrap(), &plain(&case, "d_bias"), "db");
    }
}

#[test]
fn max_pool_equals_pytorch_and_ties_go_to_the_first() {
    for case in cases("max_pool") {
        let pool = MaxPool { kernel: whole(&case, "kernel"), stride: whole(&case, "stride") };
        let x = images(&case, "x");
        let y = pool.forward(&x).unwrap();
        assert_close(&y, &images(&case, "y"), "y");
        assert_close(&pool.gradient(&x, &y, &images(&case, "d_y")).unwrap(), &images(&case, "d_x"), "dx");
    }
}

#[test]
fn response_norm_equals_pytorch() {
    for case in cases("response_norm") {
        let norm = LocalResponseNorm {
            size: whole(&case, "size"),
            alpha: float(&case, "alpha"),
            beta: float(&case, "beta"),
            k: float(&case, "k"),
        };
        let x = images(&case, "x");
        assert_close(&norm.forward(&x).unwrap(), &images(&case, "y"), "y");
        assert_close(&norm.gradient(&x, &images(&case, "d_y")).unwrap(), &images(&case, "d_x"), "dx");
    }
}

#[test]
fn linear_equals_pytorch() {
    for case in cases("linear") {
        let (x, weight, dy) = (plain(&case, "x"), plain(&case, "weight"), plain(&case, "d_y"));
        let y = linear::forward(&x, &weight, &plain(&case, "bias")).unwrap();
        assert_close(&y, &plain(&case, "y"), "y");
        assert_close(&linear::gradient_input(&dy, &weight).unwrap(), &plain(&case, "d_x"), "dx");
        assert_close(&linear::gradient_weight(&dy, &x).unwrap(), &plain(&case, "d_weight"), "dw");
        assert_close(&linear::gradient_bias(&dy).unwrap(), &plain(&case, "d_bias"), "db");
    }
}

#[test]
fn relu_equals_pytorch_with_no_gradient_at_zero() {
    for case in cases("relu") {
        let (y, gradient) = (plain(&case, "x"), plain(&case, "d_y"));
        relu::forward_in_place(&y).unwrap();
        assert_close(&y, &plain(&case, "y"), "y");
        relu::backward_in_place(&gradient, &y).unwrap();
        assert_close(&gradient, &plain(&case, "d_x"), "dx");
        let zeros = golden(&case, "x").values.iter().filter(|&&x| x == 0.0).count();
        assert!(zeros > 0, "the case must have values at exactly 0");
    }
}

#[test]
fn softmax_loss_equals_pytorch() {
    for case in cases("softmax_loss") {
        let logits = plain(&case, "logits");
        let labels: Vec<u32> = serde_json::from_value(case["labels"].clone()).unwrap();
        let labels = Tensor::new(labels, &Device::Cpu).unwrap();
        let loss = softmax_loss::mean_loss(&logits, &labels).unwrap().to_vec1::<f64>().unwrap()[0];
        assert!((loss - case["loss"].as_f64().unwrap()).abs() < 1e-12, "{loss}");
        assert_close(&softmax_loss::gradient(&logits, &labels).unwrap(), &plain(&case, "d_logits"), "dz");
    }
}
