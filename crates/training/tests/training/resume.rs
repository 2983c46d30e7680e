//! Stopped and resumed trainings end with the bits of those that ran through.

use selffer_core::{
    job::FailureClass,
    recipe::TestImages,
    spec::{Half, JobSpec},
};
use selffer_training::{Checkpoint, Ended, TrainError, Training, train};

use crate::synthetic::{Recorder, base, finish, trained, training, transfer};

/// Stops a training at this iteration and carries its checkpoint through files.
fn stopped_at(iteration: u32, training: Training<'_>, recorder: &mut Recorder) -> Checkpoint {
    recorder.stops_at_checkpoint = true;
    recorder.stops_at_once = iteration == 0;
    recorder.checkpoint_every = Some(iteration);
    let Ended::Stopped { checkpoint } = train(training, recorder).unwrap() else {
        panic!("must stop at iteration {iteration}");
    };
    assert_eq!(checkpoint.iteration, iteration);
    let folder = tempfile::tempdir().unwrap();
    checkpoint.write_folder(folder.path()).unwrap();
    let read = Checkpoint::read_folder(folder.path()).unwrap();
    assert_eq!(read, checkpoint);
    read
}

fn check_resume(spec: &JobSpec, source: Option<&Checkpoint>) {
    let mut through = Recorder::default();
    let uninterrupted = finish(training(spec, source), &mut through);
    for iteration in [0, 1, 13, 20, 33, 46] {
        let mut recorder = Recorder::default();
        let resume = Some(stopped_at(iteration, training(spec, source), &mut recorder));
        let mut rest = Recorder::default();
        let resumed =
            finish(Training { resume, threads: 2, loaders: 2, ..training(spec, source) }, &mut rest);

        assert_eq!(resumed, uninterrupted, "resumed at iteration {iteration}");
        recorder.points.extend(rest.points);
        assert_eq!(recorder.points, through.points, "resumed at iteration {iteration}");
    }
}

#[test]
fn a_base_network_resumes_bit_for_bit_at_any_iteration() {
    check_resume(&base(Half::A), None);
}

#[test]
fn a_frozen_transfer_resumes_bit_for_bit_at_any_iteration() {
    let (_, source) = trained(&base(Half::A), None);
    let mut spec = transfer(&source, 2, 2);
    spec.recipe.test_images = TestImages::Count(9);
    check_resume(&spec, Some(&source));
}

#[test]
fn crops_and_mirrors_resume_bit_for_bit() {
    let mut spec = base(Half::A);
    spec.network.side = 10;
    spec.recipe.crop = Some(10);
    spec.recipe.mirror = true;
    check_resume(&spec, None);
}

#[test]
fn checkpoints_on_the_way_change_nothing() {
    let spec = base(Half::A);
    let mut recorder = Recorder { checkpoint_every: Some(7), ..Recorder::default() };
    assert_eq!(finish(training(&spec, None), &mut recorder), trained(&spec, None));
    assert!(recorder.checkpoints.keys().eq(&[7, 14, 21, 28, 35, 42]));
}

#[test]
fn a_resumed_training_counts_the_time_of_those_before_it() {
    let spec = base(Half::A);
    let mut resume = stopped_at(5, training(&spec, None), &mut Recorder::default());
    assert!(resume.training_s > 0.0);
    (resume.training_s, resume.testing_s, resume.waiting_s) = (5_000.0, 1_000.0, 100.0);
    let resume = Some(resume);

    let ended = train(Training { resume, ..training(&spec, None) }, &mut Recorder::default()).unwrap();

    let Ended::Finished { result, checkpoint } = ended else { panic!("{ended:?}") };
    assert!(result.training_s > 5_000.0 && result.training_s < 6_000.0, "{}", result.training_s);
    assert!(result.testing_s > 1_000.0 && result.testing_s < 2_000.0, "{}", result.testing_s);
    assert!(result.waiting_s > 100.0 && result.waiting_s < 200.0, "{}", result.waiting_s);
    let times = (checkpoint.training_s, checkpoint.testing_s, checkpoint.waiting_s);
    assert_eq!(times, (0.0, 0.0, 0.0));
}

#[test]
fn a_checkpoint_of_another_job_network_or_device_is_not_resumed() {
    let (spec, mut recorder) = (base(Half::A), Recorder::default());
    let good = stopped_at(5, training(&spec, None), &mut recorder);
    let refused = |checkpoint: Checkpoint, spec: &JobSpec| {
        let training = Training { resume: Some(checkpoint), ..training(spec, None) };
        let error = train(training, &mut Recorder::default()).unwrap_err();
        assert_eq!(error.class(), FailureClass::Infrastructure, "{error}");
        error
    };
    assert!(matches!(refused(good.clone(), &base(Half::B)), TrainError::ResumeJob { .. }));
    let mut elsewhere = good.clone();
    elsewhere.device_kind = "cpu abacus".to_owned();
    assert!(matches!(refused(elsewhere, &spec), TrainError::ResumeDevice { .. }));
    let mut lacking = good;
    lacking.layers[1].momentum = None;
    assert!(matches!(refused(lacking, &spec), TrainError::ResumeShape { .. }));
}
