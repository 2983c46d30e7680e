//! Whole trainings: what they tell, that they learn, and what they refuse.

use selffer_core::{
    identity::job_key,
    ids::{Digest, JobKey},
    job::{FailureClass, Phase},
    outcome::MetricValue,
    recipe::{Initialiser, Outputs, Precision, TestImages},
    spec::{Half, ImagesPerClass, JobSpec},
};
use selffer_data::select;
use selffer_training::{Checkpoint, TrainError, Training, train};

use crate::synthetic::{PACK, Recorder, base, finish, trained, training, transfer};

#[test]
fn a_base_network_learns_and_tells_how_it_goes() {
    let spec = base(Half::A);
    let mut recorder = Recorder::default();
    let (result, checkpoint) = finish(training(&spec, None), &mut recorder);

    assert!(result.test.top1() > 0.9, "{:?}", result.test);
    assert_eq!(result.test.top5_correct, 22, "with two classes every guess is among the five best");
    assert_eq!((result.tests, result.test.images), (3, 22));
    assert!(!result.stuck_at_chance);
    assert_eq!(result.copied_layers_unchanged, None);
    assert_eq!(checkpoint.key, job_key(&spec));
    assert!(checkpoint.layers.iter().all(|layer| layer.momentum.is_none()));
    let at: Vec<_> = recorder.points.iter().map(|point| (point.sequence, point.iteration)).collect();
    assert_eq!(at, [(0, 20), (1, 20), (2, 40), (3, 40), (4, 47), (5, 47)]);
    assert_eq!(recorder.phases.last(), Some(&(Phase::Testing, 47)));
    // Each test counts its batches from 1.
    let tests = recorder.phases.iter().filter(|(phase, _)| *phase == Phase::Testing).count();
    assert_eq!(recorder.batches_tested.iter().filter(|&&batches| batches == 1).count(), tests);
    let is_test = |value| matches!(value, MetricValue::Test(_));
    assert!(recorder.points.iter().all(|point| is_test(point.value) == (point.sequence % 2 == 1)));
}

#[test]
fn the_digest_does_not_depend_on_the_number_of_threads_and_loaders() {
    let mut spec = base(Half::W);
    spec.recipe.batch = 61;
    let on = |threads, loaders| {
        finish(Training { threads, loaders, ..training(&spec, None) }, &mut Recorder::default())
    };
    let one = on(1, 1);
    assert_eq!(one, on(2, 3));
    assert_eq!(one, on(5, 2));
}

#[test]
fn seeds_give_different_networks() {
    let of_seed = |seed| trained(&JobSpec { seed, ..base(Half::A) }, None).0.weights_digest;
    assert_ne!(of_seed(1), of_seed(2));
    assert_eq!(of_seed(1), of_seed(1));
}

#[test]
fn a_test_of_a_number_of_images_goes_on_where_the_last_one_stopped() {
    let mut spec = base(Half::A);
    spec.recipe.iterations = 2;
    spec.recipe.test_every = 1;
    spec.recipe.learning_rate = 1e-9;
    let (all, _) = trained(&spec, None);
    let right: Vec<bool> = (0..22).map(|bit| all.correct_bits[bit / 8] >> (bit % 8) & 1 == 1).collect();
    spec.recipe.test_images = TestImages::Count(15);

    let (result, checkpoint) = trained(&spec, None);

    let wrapped = (15..30).filter(|position| right[position % 22]).count() as u64;
    assert_eq!(result.test.top1_correct, wrapped);
    assert_eq!(checkpoint.tests[0].top1_correct, right[..15].iter().filter(|&&right| right).count() as u64);
    assert_eq!(result.correct_bits.len(), 2);
}

#[test]
fn a_network_that_learns_nothing_is_flagged() {
    let mut spec = base(Half::A);
    spec.recipe.learning_rate = 0.0;
    spec.recipe.initialiser = Initialiser::Gaussian;
    spec.recipe.outputs = Outputs::Count(4);
    let (result, _) = trained(&spec, None);
    assert!(result.stuck_at_chance, "{:?}", result.test);
}

#[test]
fn a_loss_that_is_not_finite_fails_with_its_iteration() {
    let mut spec = base(Half::A);
    spec.recipe.learning_rate = 1e30;
    let error = train(training(&spec, None), &mut Recorder::default()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { iteration: 1..20 }), "{error}");
    assert_eq!(error.class(), FailureClass::Diverged);
}

#[test]
fn a_last_update_that_diverges_fails_by_its_test() {
    let mut spec = base(Half::A);
    spec.recipe.iterations = 1;
    spec.recipe.learning_rate = 1e30;
    let mut recorder = Recorder::default();

    let error = train(training(&spec, None), &mut recorder).unwrap_err();

    assert!(matches!(error, TrainError::Diverged { iteration: 1 }), "{error}");
    let is_finite = |value| matches!(value, MetricValue::TrainingLoss(loss) if loss.is_finite());
    assert!(recorder.points.iter().all(|point| is_finite(point.value)), "{:?}", recorder.points);
}

#[test]
fn a_precision_of_gpus_is_refused_on_the_cpu() {
    let mut spec = base(Half::A);
    spec.recipe.precision = Precision::Bf16;
    let error = refused(&spec, None);
    assert_eq!(error.to_string(), "precision bf16 needs a GPU; the CPU computes in f32");
}

#[test]
fn images_per_class_limit_training_and_mean_but_not_the_test() {
    let few = JobSpec { images_per_class: ImagesPerClass::First(2), ..base(Half::A) };
    let (result, checkpoint) = trained(&few, None);
    assert_eq!(result.test.images, 22);
    let selection = select(PACK.train(), &[0, 2], ImagesPerClass::First(2));
    assert_eq!(checkpoint.mean.values, selffer_data::mean_image(PACK.train(), &selection).unwrap());
}

fn refused(spec: &JobSpec, source: Option<&Checkpoint>) -> TrainError {
    let error = train(training(spec, source), &mut Recorder::default()).unwrap_err();
    assert_eq!(error.class(), FailureClass::Invalid, "{error}");
    error
}

#[test]
fn a_job_that_does_not_go_with_its_images_or_source_is_refused() {
    let good = || base(Half::A);
    let (_, source) = trained(&good(), None);
    let other_pack = JobSpec { pack: Digest([1; 32]), ..good() };
    assert!(matches!(refused(&other_pack, None), TrainError::Pack { .. }));
    let newer = JobSpec { semantics_version: 99, ..good() };
    assert!(matches!(refused(&newer, None), TrainError::Semantics { .. }));
    let mut cropped = good();
    cropped.recipe.crop = Some(11);
    assert!(matches!(refused(&cropped, None), TrainError::ImageSize { .. }));
    let mut narrow = good();
    narrow.recipe.outputs = Outputs::Count(1);
    assert!(matches!(refused(&narrow, None), TrainError::Outputs { .. }));
    let mut nothing = good();
    nothing.target.indices = vec![17, 18].into();
    assert!(matches!(refused(&nothing, None), TrainError::NoImages { .. }));

    assert!(matches!(refused(&good(), Some(&source)), TrainError::Source { .. }));
    assert!(matches!(refused(&transfer(&source, 1, 1), None), TrainError::Source { .. }));
    let mut stranger = source.clone();
    stranger.key = JobKey([9; 32]);
    assert!(matches!(refused(&transfer(&source, 1, 1), Some(&stranger)), TrainError::Source { .. }));
    assert!(matches!(refused(&transfer(&source, 4, 1), Some(&source)), TrainError::LayersCopied { .. }));
    let mut wider = transfer(&source, 3, 1);
    let operators = &mut wider.network.layers[2].operators;
    operators[0] = base(Half::W).network.layers[3].operators[0].clone();
    assert!(matches!(refused(&wider, Some(&source)), TrainError::CopiedShape { .. }));
}
