//! Which training image comes when, and how it is seen.
//!
//! Everything is a function of the job's streams and of the element, the how-manieth image
//! of the whole training, so a resumed training goes on where it was. Epochs follow each
//! other without a gap: a batch may hold the end of one and the beginning of the next.

use selffer_core::{
    recipe::{Order, Recipe},
    spec::ImageShape,
    stream::{Stream, Streams},
};

use super::View;

/// The endless sequence of a job's training images.
pub(super) struct Sequence {
    streams: Streams,
    order: Order,
    /// Images of one epoch.
    len: u32,
    crops: Option<Stream>,
    mirrors: Option<Stream>,
    /// The order of the epoch that was drawn last.
    epoch: Option<(u64, Vec<u32>)>,
}

impl Sequence {
    /// A sequence over `len` images, at least 1.
    pub(super) fn new(streams: Streams, recipe: &Recipe, len: u32) -> Self {
        let crops = recipe.crop.map(|_| streams.crops());
        let mirrors = recipe.mirror.then(|| streams.mirrors());
        Self { streams, order: recipe.order, len, crops, mirrors, epoch: None }
    }

    /// Which of the images is the `element`th of the training. Cheap in increasing order.
    pub(super) fn position(&mut self, element: u64) -> usize {
        let len = u64::from(self.len);
        let epoch = match self.order {
            Order::Shuffled => element / len,
            Order::Fixed => 0,
        };
        let order = match self.epoch.take() {
            Some((drawn, order)) if drawn == epoch => order,
            _ => self.streams.order(epoch).permutation(self.len),
        };
        let position = order[(element % len) as usize] as usize;
        self.epoch = Some((epoch, order));
        position
    }

    /// How the `element`th image of the training is seen, `side` pixels high and wide. Each
    /// place where a crop fits is as likely as any other; rows and columns are independent.
    pub(super) fn view(&self, shape: ImageShape, side: usize, element: u64) -> View {
        let offset = |part: u64, length: u32| match self.crops {
            Some(crops) => crops.below(2 * element + part, length + 1 - side as u32) as usize,
            None => 0,
        };
        View {
            row: offset(0, shape.height),
            column: offset(1, shape.width),
            is_mirrored: self.mirrors.is_some_and(|mirrors| mirrors.below(element, 2) == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use selffer_core::{
        ids::Digest,
        network::Network,
        spec::{Classes, Half, ImagesPerClass, JobSpec, Origin, TRAINER_SEMANTICS_VERSION, Treatment},
    };

    use super::*;

    const SHAPE: ImageShape = ImageShape { height: 256, width: 256, channels: 3 };

    fn sequence(recipe: Recipe, len: u32) -> Sequence {
        let spec = JobSpec {
            semantics_version: TRAINER_SEMANTICS_VERSION,
            pack: Digest([0; 32]),
            image: SHAPE,
            split: "random-0".to_owned(),
            target: Classes { half: Half::A, indices: vec![0, 1].into() },
            source: None,
            imported: None,
            treatment: Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 },
            network: Network::preset("caffenet").unwrap().into(),
            recipe,
            seed: 0,
            images_per_class: ImagesPerClass::All,
        };
        Sequence::new(Streams::of(&spec), &spec.recipe, len)
    }

    fn caffe_2014() -> Recipe {
        Recipe::preset("caffe-2014").unwrap()
    }

    fn epoch(sequence: &mut Sequence, number: u64) -> Vec<usize> {
        (number * 7..(number + 1) * 7).map(|element| sequence.position(element)).collect()
    }

    #[test]
    fn a_fixed_order_is_the_first_permutation_again_and_again() {
        let mut shuffled = sequence(caffe_2014(), 7);
        let mut fixed = sequence(Recipe { order: Order::Fixed, ..caffe_2014() }, 7);
        let first = epoch(&mut fixed, 0);

        assert_eq!(epoch(&mut shuffled, 0), first);
        assert_eq!(epoch(&mut fixed, 1), first);
        assert_eq!(epoch(&mut fixed, 5), first);
        assert_ne!(epoch(&mut shuffled, 1), first);
        for mut order in [first, epoch(&mut shuffled, 1)] {
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn crops_of_227_begin_at_each_of_0_to_29_equally_often_in_rows_and_columns() {
        let sequence = sequence(caffe_2014(), 7);
        let (mut rows, mut columns, mut mirrored, mut on_diagonal) = ([0; 30], [0; 30], 0, 0);
        for element in 0..30_000 {
            let view = sequence.view(SHAPE, 227, element);
            rows[view.row] += 1;
            columns[view.column] += 1;
            mirrored += u32::from(view.is_mirrored);
            on_diagonal += u32::from(view.row == view.column);
        }
        // Five standard deviations, of 1,000 and of 15,000.
        let is_fair = |count: &u32| count.abs_diff(1_000) < 160;
        assert!(rows.iter().chain(&columns).all(is_fair), "{rows:?} {columns:?}");
        assert!(is_fair(&on_diagonal), "{on_diagonal}");
        assert!(mirrored.abs_diff(15_000) < 440, "{mirrored}");
    }

    #[test]
    fn without_crop_and_mirror_the_whole_image_is_seen_as_it_is() {
        let sequence = sequence(Recipe { crop: None, mirror: false, ..caffe_2014() }, 7);
        let whole = View { row: 0, column: 0, is_mirrored: false };
        assert!((0..100).all(|element| sequence.view(SHAPE, 256, element) == whole));
    }
}
