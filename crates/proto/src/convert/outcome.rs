//! Tests, learning curves and results.

use selffer_core::outcome::{JobResult, MetricPoint, MetricValue, TestResult};

use super::{ConvertError, digest, required};
use crate::v1;

/// Counts are checked against each other, so that shares are in 0..=1.
impl TryFrom<v1::TestResult> for TestResult {
    type Error = ConvertError;

    fn try_from(test: v1::TestResult) -> Result<Self, ConvertError> {
        if test.images == 0 {
            return Err(ConvertError::new("images", "is 0; a test covers at least one image"));
        }
        for (field, correct) in [("top1_correct", test.top1_correct), ("top5_correct", test.top5_correct)] {
            if correct > test.images {
                return Err(ConvertError::new(field, format!("{correct} of {} images", test.images)));
            }
        }
        Ok(Self {
            images: test.images,
            top1_correct: test.top1_correct,
            top5_correct: test.top5_correct,
            loss: finite("loss", test.loss)?,
        })
    }
}

impl From<&TestResult> for v1::TestResult {
    fn from(test: &TestResult) -> Self {
        Self {
            images: test.images,
            top1_correct: test.top1_correct,
            top5_correct: test.top5_correct,
            loss: test.loss,
        }
    }
}

impl TryFrom<v1::MetricPoint> for MetricPoint {
    type Error = ConvertError;

    fn try_from(point: v1::MetricPoint) -> Result<Self, ConvertError> {
        use v1::metric_point::Value;
        let value = match point.value.ok_or_else(|| ConvertError::new("value", "is missing"))? {
            Value::TrainingLoss(loss) => MetricValue::TrainingLoss(finite("training_loss", loss)?),
            Value::Test(test) => {
                MetricValue::Test(test.try_into().map_err(|error: ConvertError| error.within("test"))?)
            }
        };
        Ok(Self { sequence: point.sequence, iteration: point.iteration, value })
    }
}

impl From<&MetricPoint> for v1::MetricPoint {
    fn from(point: &MetricPoint) -> Self {
        use v1::metric_point::Value;
        let value = match &point.value {
            MetricValue::TrainingLoss(loss) => Value::TrainingLoss(*loss),
            MetricValue::Test(test) => Value::Test(test.into()),
        };
        Self { sequence: point.sequence, iteration: point.iteration, value: Some(value) }
    }
}

impl TryFrom<v1::JobResult> for JobResult {
    type Error = ConvertError;

    fn try_from(result: v1::JobResult) -> Result<Self, ConvertError> {
        let layer = |layer: v1::LayerDigest| {
            digest("layer_digests.digest", &layer.digest).map(|digest| (layer.layer, digest))
        };
        Ok(Self {
            test: required("test", result.test)?,
            tests: result.tests,
            top1_best10: result.top1_best10.map(|top1| finite("top1_best10", top1)).transpose()?,
            correct_bits: result.correct_bits,
            weights_digest: digest("weights_digest", &result.weights_digest)?,
            layer_digests: result.layer_digests.into_iter().map(layer).collect::<Result<_, _>>()?,
            copied_layers_unchanged: result.copied_layers_unchanged,
            stuck_at_chance: result.stuck_at_chance,
            training_s: finite("training_s", result.training_s)?,
            testing_s: finite("testing_s", result.testing_s)?,
            waiting_s: finite("waiting_s", result.waiting_s)?,
            device_kind: result.device_kind,
        })
    }
}

impl From<&JobResult> for v1::JobResult {
    fn from(result: &JobResult) -> Self {
        let layer = |(layer, digest): &(String, selffer_core::ids::Digest)| v1::LayerDigest {
            layer: layer.clone(),
            digest: digest.0.to_vec(),
        };
        Self {
            test: Some((&result.test).into()),
            tests: result.tests,
            top1_best10: result.top1_best10,
            correct_bits: result.correct_bits.clone(),
            weights_digest: result.weights_digest.0.to_vec(),
            layer_digests: result.layer_digests.iter().map(layer).collect(),
            copied_layers_unchanged: result.copied_layers_unchanged,
            stuck_at_chance: result.stuck_at_chance,
            training_s: result.training_s,
            testing_s: result.testing_s,
            waiting_s: result.waiting_s,
            device_kind: result.device_kind.clone(),
        }
    }
}

fn finite(field: &str, value: f64) -> Result<f64, ConvertError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(ConvertError::new(field, format!("{value} is not finite")))
    }
}

#[cfg(test)]
mod tests {
    use selffer_core::ids::Digest;

    use super::*;

    const TEST: TestResult = TestResult { images: 5000, top1_correct: 4321, top5_correct: 5000, loss: 0.375 };

    #[test]
    fn a_result_comes_back_as_it_went() {
        let result = JobResult {
            test: TEST,
            tests: 4,
            top1_best10: None,
            correct_bits: vec![0b101],
            weights_digest: Digest::of(b"w"),
            layer_digests: vec![("conv1".into(), Digest::of(b"1"))],
            copied_layers_unchanged: Some(true),
            stuck_at_chance: false,
            training_s: 12.5,
            testing_s: 0.25,
            waiting_s: 0.125,
            device_kind: "cpu x86-64-v4".into(),
        };

        assert_eq!(JobResult::try_from(v1::JobResult::from(&result)), Ok(result));
    }

    #[test]
    fn metric_points_that_cannot_be_are_refused() {
        let point = |value| v1::MetricPoint { sequence: 0, iteration: 1, value: Some(value) };
        let many_correct = v1::TestResult { top1_correct: 5001, ..(&TEST).into() };
        let cases = [
            (v1::metric_point::Value::TrainingLoss(f64::NAN), "training_loss: NaN is not finite"),
            (v1::metric_point::Value::Test(many_correct), "test.top1_correct: 5001 of 5000 images"),
        ];
        for (value, message) in cases {
            assert_eq!(MetricPoint::try_from(point(value)).unwrap_err().to_string(), message);
        }
    }
}
