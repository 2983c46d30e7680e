//! How fast loaders make training batches of a pack: in random order, cropped and mirrored at
//! random, the mean image taken off.

use std::{thread, time::Instant};

use selffer_core::{
    network::Network as Description,
    recipe::Recipe,
    spec::{Classes, Half, ImagesPerClass, JobSpec, Origin, TRAINER_SEMANTICS_VERSION, Treatment},
    stream::Streams,
};
use selffer_data::{Pack, Selection, select};

use super::WARM_UP;
use crate::{
    error::TrainError,
    images::{Feed, Loaders, Plan, Stock},
};

/// The mean image, everywhere; which it is does not change the time.
const MEAN: f32 = 127.5;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Batches<'a> {
    /// Its training images, of all classes.
    pub pack: &'a Pack,
    /// Side of the square crop in pixels, at random places; none takes whole images.
    pub crop: Option<u32>,
    /// Images of a batch, at least 1.
    pub batch: u32,
    /// Loaders, at least 1: each a thread.
    pub loaders: usize,
    /// Batches whose time counts, at least 1.
    pub batches: u32,
}

/// Images a second that the loaders make into batches, all together, with nobody else at work.
///
/// # Errors
/// The images are smaller than the crop, or not square and there is none; one of them cannot
/// be decoded; there is no memory.
pub fn bench_batches(asked: &Batches<'_>) -> Result<f64, TrainError> {
    let spec = spec(asked)?;
    let stock = Stock {
        pack: asked.pack,
        training: select(asked.pack.train(), &spec.target.indices, ImagesPerClass::All),
        validation: Selection::default(),
        feed: Feed::new(&spec, vec![MEAN; asked.pack.train().image_bytes()]),
        streams: Streams::of(&spec),
        recipe: spec.recipe.clone(),
    };
    // It never comes to a test.
    let plan = Plan::new(&spec, (0, 0), (1, 1));
    thread::scope(|scope| {
        let mut loaders = Loaders::start(scope, &stock, &plan, asked.loaders)?;
        for _ in 0..WARM_UP as usize * asked.loaders {
            loaders.next()?;
        }
        let started = Instant::now();
        for _ in 0..asked.batches {
            loaders.next()?;
        }
        let images = f64::from(asked.batches) * f64::from(asked.batch);
        Ok(images / started.elapsed().as_secs_f64())
    })
}

/// A training that wants such batches.
fn spec(asked: &Batches<'_>) -> Result<JobSpec, TrainError> {
    let manifest = asked.pack.manifest();
    let image = manifest.image;
    let side = asked.crop.unwrap_or(image.height);
    let fits = match asked.crop {
        Some(crop) => (1..=image.height.min(image.width)).contains(&crop),
        None => image.height == image.width,
    };
    if !fits {
        let crop = asked.crop.map_or_else(|| "none".to_owned(), |crop| crop.to_string());
        return Err(TrainError::ImageSize { height: image.height, width: image.width, crop, side });
    }
    let recipe = Recipe {
        iterations: u32::MAX,
        test_every: u32::MAX,
        batch: asked.batch,
        crop: asked.crop,
        mirror: true,
        ..Recipe::quick_28()
    };
    Ok(JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: asked.pack.digest(),
        image,
        split: "whole".to_owned(),
        target: Classes {
            half: Half::W,
            indices: (0..manifest.classes.len() as u32).collect::<Vec<_>>().into(),
        },
        source: None,
        imported: None,
        treatment: Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 },
        network: Description { name: "none".to_owned(), side, layers: Vec::new() }.into(),
        recipe,
        seed: 0,
        images_per_class: ImagesPerClass::All,
    })
}
