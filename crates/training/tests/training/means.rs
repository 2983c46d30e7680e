//! Mean images that are kept from one training to the next.

use std::{
    fs,
    path::{Path, PathBuf},
};

use selffer_core::{
    ids::Digest,
    spec::{Half, JobSpec},
};
use selffer_training::{Checkpoint, Training};

use crate::synthetic::{Recorder, base, finish, trained, training};

fn spec(half: Half) -> JobSpec {
    let mut spec = base(half);
    spec.recipe.iterations = 3;
    spec
}

fn trained_with(means: &Path, spec: &JobSpec) -> Checkpoint {
    finish(Training { means: Some(means), ..training(spec, None) }, &mut Recorder::default()).1
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
}

#[test]
fn a_kept_mean_image_is_used_by_the_jobs_of_its_half_alone() {
    let (folder, spec) = (tempfile::tempdir().unwrap(), spec(Half::A));
    let means = folder.path().join("means");
    let computed = trained(&spec, None).1;
    assert_eq!(trained_with(&means, &spec), computed);
    let [file] = &files(&means)[..] else { panic!("{:?}", files(&means)) };

    // One that nobody would compute, but whole.
    let values = [0_u8; 4 * 144];
    fs::write(file, [&Digest::of(&values).0[..], &values].concat()).unwrap();

    assert_eq!(trained_with(&means, &spec).mean.values, [0.0; 144]);
    let other = self::spec(Half::B);
    assert_eq!(trained_with(&means, &other), trained(&other, None).1);
    let mut few = spec.clone();
    few.images_per_class = selffer_core::spec::ImagesPerClass::First(5);
    assert_eq!(trained_with(&means, &few), trained(&few, None).1);
    assert_eq!(files(&means).len(), 3);
}

#[test]
fn a_damaged_mean_image_is_computed_again() {
    let (folder, spec) = (tempfile::tempdir().unwrap(), spec(Half::A));
    let computed = trained_with(folder.path(), &spec);
    let file = &files(folder.path())[0];
    let whole = fs::read(file).unwrap();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    fs::write(file, damaged).unwrap();

    assert_eq!(trained_with(folder.path(), &spec), computed);
    assert_eq!(fs::read(file).unwrap(), whole);
}

#[test]
fn a_folder_that_cannot_be_written_costs_nothing_but_time() {
    let (folder, spec) = (tempfile::tempdir().unwrap(), spec(Half::A));
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    assert_eq!(trained_with(&in_the_way, &spec), trained(&spec, None).1);
}
