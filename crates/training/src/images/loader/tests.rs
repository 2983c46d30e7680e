//! Loaders on a small pack: what they hand over, in which order, and how they end.

use std::{collections::BTreeMap, ops::Range, thread};

use selffer_core::{
    ids::Digest,
    network::Network,
    pack::Class,
    recipe::{Order, Recipe, TestImages},
    spec::{
        Classes, Half, ImageShape, ImagesPerClass, JobSpec, Origin, TRAINER_SEMANTICS_VERSION, Treatment,
    },
    stream::Streams,
};
use selffer_data::{
    Pack, WriteError, select,
    shards::{PackWriter, SubsetImages},
};

use super::*;
use crate::images::Feed;

const SHAPE: ImageShape = ImageShape { height: 28, width: 28, channels: 1 };
/// Images of the classes 0 and 2, to train on and to test on. No batch divides them.
const IMAGES: [usize; 2] = [26, 14];

/// A pack of three classes of 13 and 7 images; the first two values of each tell which it is.
fn pack() -> Pack {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pack");
    let mut writer = PackWriter::create(&out, SHAPE).unwrap();
    let mut subset = |name, kind: u8, per_class: u32| {
        let labels: Vec<u32> = (0..3 * per_class).map(|index| index % 3).collect();
        let mut index = 0;
        let mut next_image = |pixels: &mut [u8]| {
            pixels.fill(0);
            (pixels[0], pixels[1]) = (kind, index);
            index += 1;
            Ok::<(), WriteError>(())
        };
        let images = SubsetImages { name, labels: &labels, class_count: 3, next_image: &mut next_image };
        writer.write_subset(images).unwrap()
    };
    let (train, validation) = (subset("train", 0, 13), subset("validation", 1, 7));
    writer
        .finish(["x", "y", "z"].map(Class::named).into(), BTreeMap::new(), train.subset, validation.subset)
        .unwrap();
    // Mapped files stay readable after the folder is removed.
    Pack::open(&out).unwrap()
}

/// 13 updates of 4 images: two epochs; tests of 14 images, 5 at a time, in between.
fn spec(order: Order) -> JobSpec {
    let recipe = Recipe { iterations: 13, batch: 4, test_every: 6, order, scale: 1.0, ..Recipe::quick_28() };
    JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: Digest([0; 32]),
        image: SHAPE,
        split: "random-0".to_owned(),
        target: Classes { half: Half::A, indices: vec![0, 2].into() },
        source: None,
        imported: None,
        treatment: Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 },
        network: Network::preset("caffenet-28-slim").unwrap().into(),
        recipe,
        seed: 0,
        images_per_class: ImagesPerClass::All,
    }
}

fn stock<'a>(spec: &JobSpec, pack: &'a Pack) -> Stock<'a> {
    Stock {
        pack,
        training: select(pack.train(), &spec.target.indices, ImagesPerClass::All),
        validation: select(pack.validation(), &spec.target.indices, ImagesPerClass::All),
        feed: Feed::new(spec, vec![0.0; pack.train().image_bytes()]),
        streams: Streams::of(spec),
        recipe: spec.recipe.clone(),
    }
}

fn plan(spec: &JobSpec, at: (u32, usize)) -> Plan {
    Plan::new(spec, at, (IMAGES[1], 5))
}

/// What the first two values of each image and its label are.
type Seen = Vec<(u8, u8, u32)>;

fn seen(batch: &Batch) -> Seen {
    let images = batch.images.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
    let labels = batch.labels.to_vec1::<u32>().unwrap();
    images.iter().zip(labels).map(|(values, label)| (values[0] as u8, values[1] as u8, label)).collect()
}

fn loaded(spec: &JobSpec, pack: &Pack, at: (u32, usize), loaders: usize) -> Vec<Seen> {
    let (stock, plan) = (stock(spec, pack), plan(spec, at));
    thread::scope(|scope| {
        let mut loaders = Loaders::start(scope, &stock, &plan, loaders).unwrap();
        plan.clone().map(|_| seen(loaders.next().unwrap())).collect()
    })
}

/// Indices of the images of this kind in all batches, their labels checked.
fn indices(batches: &[Seen], kind: u8) -> Vec<u8> {
    let images = batches.iter().flatten().filter(|image| image.0 == kind);
    let index = |&(_, index, label): &(u8, u8, u32)| {
        assert_eq!(u32::from(index % 3), 2 * label, "image {index}");
        index
    };
    images.map(index).collect()
}

fn of_classes_0_and_2(indices: Range<u8>) -> Vec<u8> {
    indices.filter(|index| index % 3 != 1).collect()
}

#[test]
fn each_image_comes_once_an_epoch_and_once_a_test_for_any_number_of_loaders() {
    let pack = pack();
    for order in [Order::Shuffled, Order::Fixed] {
        let spec = spec(order);
        let one = loaded(&spec, &pack, (0, 0), 1);

        let trained = indices(&one, 0);
        let epochs: Vec<_> = trained.chunks(IMAGES[0]).collect();
        assert_eq!(epochs.len(), 2);
        assert_eq!(epochs[0] == epochs[1], order == Order::Fixed);
        for epoch in epochs {
            let mut epoch = epoch.to_vec();
            epoch.sort_unstable();
            assert_eq!(epoch, of_classes_0_and_2(0..39));
        }
        let tested = indices(&one, 1);
        assert_eq!(tested, of_classes_0_and_2(0..21).repeat(3));
        for loaders in [2, 3, 40] {
            assert_eq!(loaded(&spec, &pack, (0, 0), loaders), one, "{loaders} loaders");
        }
    }
}

#[test]
fn loaders_go_on_anywhere_with_what_would_have_come() {
    let (pack, mut spec) = (pack(), spec(Order::Shuffled));
    for test_images in [TestImages::All, TestImages::Count(9)] {
        spec.recipe.test_images = test_images;
        let all = loaded(&spec, &pack, (0, 0), 2);
        for (iteration, tests) in [(1, 0), (5, 0), (6, 1), (7, 1), (12, 2)] {
            let rest = loaded(&spec, &pack, (iteration, tests), 3);
            assert_eq!(rest, all[all.len() - rest.len()..], "{test_images:?}, iteration {iteration}");
        }
    }
}

#[test]
fn a_test_of_a_number_of_images_wraps_around() {
    let (pack, mut spec) = (pack(), spec(Order::Shuffled));
    spec.recipe.test_images = TestImages::Count(9);
    let tested = indices(&loaded(&spec, &pack, (0, 0), 2), 1);
    let all = of_classes_0_and_2(0..21);
    assert!(tested.iter().eq(all.iter().cycle().take(27)), "{tested:?}");
}

#[test]
fn a_loader_that_panics_is_an_error_of_the_training() {
    let (pack, spec) = (pack(), spec(Order::Shuffled));
    let mut stock = stock(&spec, &pack);
    // No pack has such an image: it stands for a bug.
    stock.training.indices[3] = 1_000;
    let plan = plan(&spec, (0, 0));
    let error = thread::scope(|scope| {
        let mut loaders = Loaders::start(scope, &stock, &plan, 2).unwrap();
        plan.clone().find_map(|_| loaders.next().err())
    });
    assert!(matches!(error, Some(TrainError::LoaderEnded { .. })), "{error:?}");
}

#[test]
fn loaders_are_bounded_reuse_their_batches_and_end_with_the_trainer() {
    let (pack, mut spec) = (pack(), spec(Order::Shuffled));
    spec.recipe.iterations = u32::MAX;
    spec.recipe.test_every = u32::MAX;
    let (stock, plan) = (stock(&spec, &pack), plan(&spec, (0, 0)));
    thread::scope(|scope| {
        let mut loaders = Loaders::start(scope, &stock, &plan, 2).unwrap();
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..100 {
            places.insert(place(loaders.next().unwrap()));
        }
        assert!(places.len() <= 2 * crate::images::BATCHES_PER_LOADER_MAX, "{}", places.len());
        // The scope ends only because they do, with billions of batches to go.
    });
}

/// Where its values lie.
fn place(batch: &Batch) -> usize {
    let mut place = 0;
    batch.fill(|values| place = values.as_ptr().addr()).unwrap();
    place
}
