//! Selecting the images of a half, and their mean.

use selffer_core::spec::ImagesPerClass;
use selffer_data::{Pack, Selection, mean_image, select};

use crate::tiny;

#[test]
fn a_selection_keeps_the_packs_order_and_renumbers_labels() {
    let (_folder, path) = tiny::imported();
    let pack = Pack::open(&path).unwrap();

    let selection = select(pack.train(), &[1, 3], ImagesPerClass::All);

    assert_eq!(selection.indices, [2, 3, 7, 8, 9, 11]);
    assert_eq!(selection.labels, [0, 1, 0, 1, 0, 1]);
}

#[test]
fn a_limit_takes_the_first_images_of_each_class() {
    let (_folder, path) = tiny::imported();
    let pack = Pack::open(&path).unwrap();

    let selection = select(pack.train(), &[0, 2], ImagesPerClass::First(2));

    assert_eq!(selection.indices, [0, 1, 4, 6]);
    assert_eq!(selection.labels, [1, 0, 0, 1]);
}

#[test]
fn no_class_has_no_images_and_a_mean_of_zero() {
    let (_folder, path) = tiny::imported();
    let pack = Pack::open(&path).unwrap();

    let selection = select(pack.train(), &[], ImagesPerClass::All);

    assert!(selection.is_empty());
    assert_eq!(mean_image(pack.train(), &selection).unwrap(), [0.0; 6]);
}

#[test]
fn the_mean_image_is_the_mean_of_each_pixel() {
    let (_folder, path) = tiny::imported();
    let pack = Pack::open(&path).unwrap();
    let selection = Selection { indices: vec![0, 1, 4], labels: vec![0, 0, 0] };

    let mean = mean_image(pack.train(), &selection).unwrap();

    // Images 0, 1 and 4 begin at 0, 10 and 40.
    let expected: Vec<f32> = (0..6).map(|pixel| (50.0 / 3.0 + f64::from(pixel)) as f32).collect();
    assert_eq!(mean, expected);
}
