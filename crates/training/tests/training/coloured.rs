//! Small coloured images, larger than the networks that see them and not square: four
//! kinds of noisy stripes, each in its own colours.

use std::{collections::BTreeMap, path::Path};

use selffer_core::{
    network::Network,
    pack::Class,
    recipe::Recipe,
    spec::{
        Classes, Half, ImageShape, ImagesPerClass, JobSpec, Origin, Source, TRAINER_SEMANTICS_VERSION,
        Treatment,
    },
};
use selffer_data::{
    Pack, WriteError,
    shards::{PackForm, PackWriter, SubsetImages},
};
use selffer_training::{Checkpoint, Training};

use crate::synthetic;

/// Images of each class to train on, and to test on.
const IMAGES: [usize; 2] = [30, 9];

/// Writes a pack of 4 classes of images of this many rows and columns.
pub(crate) fn pack(height: u32, width: u32) -> Pack {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pack");
    write(&out, ImageShape { height, width, channels: 3 }.into());
    // Mapped files stay readable after the folder is removed.
    Pack::open(&out).unwrap()
}

/// Writes such a pack into a folder.
pub(crate) fn write(out: &Path, form: PackForm) {
    let width = form.image.width;
    let mut writer = PackWriter::create(out, form).unwrap();
    let mut subset = |name, salt: u32, per_class: usize| {
        let labels: Vec<u32> = (0..4 * per_class as u32).map(|index| index % 4).collect();
        let mut index = 0;
        let mut next_image = |pixels: &mut [u8]| {
            paint(pixels, width as usize, index % 4, salt ^ index);
            index += 1;
            Ok::<(), WriteError>(())
        };
        let images = SubsetImages { name, labels: &labels, class_count: 4, next_image: &mut next_image };
        writer.write_subset(images).unwrap().subset
    };
    let (train, validation) = (subset("train", 0, IMAGES[0]), subset("validation", 1 << 20, IMAGES[1]));
    let classes = ["rows", "columns", "up", "down"].map(Class::named);
    writer.finish(classes.into(), BTreeMap::new(), train, validation).unwrap();
}

fn paint(pixels: &mut [u8], width: usize, class: u32, salt: u32) {
    for (index, value) in pixels.iter_mut().enumerate() {
        let (position, channel) = (index / 3, index % 3);
        let (y, x) = (position / width, position % width);
        let is_bright = [y % 4 < 2, x % 4 < 2, (x + y) % 4 < 2, (x + 3 * y) % 4 < 2][class as usize];
        let noise = (index as u32 ^ salt.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b) >> 24;
        *value = (noise / 3) as u8 + if is_bright && channel != class as usize % 3 { 120 } else { 20 };
    }
}

/// A base network of one half of these images.
pub(crate) fn base(pack: &Pack, network: Network, recipe: Recipe, half: Half) -> JobSpec {
    let indices = match half {
        Half::A => vec![0, 2],
        Half::B => vec![1, 3],
        Half::W => vec![0, 1, 2, 3],
    };
    JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: pack.digest(),
        image: pack.manifest().image,
        split: "random-0".to_owned(),
        target: Classes { half, indices: indices.into() },
        source: None,
        imported: None,
        treatment: Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 },
        network: network.into(),
        recipe,
        seed: 1,
        images_per_class: ImagesPerClass::All,
    }
}

/// This network on its own half, copying from that base network of the other half.
pub(crate) fn grafted(spec: &JobSpec, source: (&JobSpec, &Checkpoint), treatment: Treatment) -> JobSpec {
    let (source, checkpoint) = source;
    let source = (treatment.origin == Origin::Other).then(|| Source {
        classes: source.target.clone(),
        images_per_class: ImagesPerClass::All,
        job: checkpoint.key,
    });
    JobSpec { source, treatment, ..spec.clone() }
}

/// A training on one thread from nothing.
pub(crate) fn training<'a>(
    spec: &'a JobSpec,
    pack: &'a Pack,
    source: Option<&'a Checkpoint>,
) -> Training<'a> {
    Training { pack, ..synthetic::training(spec, source) }
}
