//! How fast a network trains: real iterations on random images, and where their time goes; and how
//! fast loaders make its batches.

mod batches;

use std::time::{Duration, Instant};

use candle_core::{Device as Memory, Tensor};
use rayon::{ThreadPool, ThreadPoolBuilder};
use selffer_core::{
    cost,
    ids::Digest,
    network::Network as Description,
    recipe::Recipe,
    spec::{
        Classes, Half, ImageShape, ImagesPerClass, JobSpec, Origin, TRAINER_SEMANTICS_VERSION, Treatment,
    },
    stream::Streams,
};

pub use self::batches::{Batches, bench_batches};
use crate::{
    error::TrainError,
    images::Batch,
    network::{Clock, DropoutDraw, Network, Part, build_operators, initial_parameters},
    ops::peak_flops_per_s,
    solver::{Rates, Sgd},
    train::iterate,
    weights::HostParameters,
};

/// Iterations before time counts.
const WARM_UP: u32 = 3;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The network.
    pub network: Description,
    /// Channels of an image.
    pub channels: u32,
    /// Classes.
    pub outputs: u32,
    /// Images of an iteration.
    pub batch: u32,
    /// How many of the first layers are frozen.
    pub frozen: u8,
    /// Threads to compute with; at least 1.
    pub threads: usize,
    /// Iterations whose time counts; at least 1.
    pub iterations: u32,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Seconds of each iteration.
    pub iterations_s: Vec<f64>,
    /// Operations of one image, forward and back.
    pub flops_per_image: f64,
    /// Operations a second that the threads reach at most.
    pub peak_flops_per_s: f64,
    /// Seconds of an iteration by operator, in the order of the forward pass; then those of
    /// the loss and of the update.
    pub by_operator: Vec<OperatorSeconds>,
}

/// Where an iteration's time goes.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorSeconds {
    /// As `conv1.convolution`, `update`.
    pub name: String,
    /// Forward.
    pub forward_s: f64,
    /// Backward; of the update, all of it.
    pub backward_s: f64,
    /// Operations for one image, forward and back; 0 but for learned operators.
    pub flops_per_image: f64,
}

/// Measures.
///
/// # Errors
/// When the network cannot be built for images of so many channels, or there is no memory.
pub fn bench(bench: &Bench) -> Result<Measured, TrainError> {
    let threads = bench.threads;
    let pool = ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
    let pool = pool.map_err(|source| TrainError::Threads { threads, source })?;
    let spec = spec(bench);
    let mut subject = Subject::new(&spec)?;
    let failed = |source| TrainError::Tensor { iteration: 0, source };
    let mut iterations_s = Vec::new();
    for iteration in 0..WARM_UP + bench.iterations {
        let started = Instant::now();
        subject.iterate(&pool, iteration).map_err(failed)?;
        if iteration >= WARM_UP {
            iterations_s.push(started.elapsed().as_secs_f64());
        }
    }
    Ok(Measured {
        iterations_s,
        flops_per_image: subject.flops.iter().sum(),
        peak_flops_per_s: pool.install(peak_flops_per_s),
        by_operator: subject.by_operator(&pool, bench.iterations).map_err(failed)?,
    })
}

/// The job that the numbers belong to: a base network, or a random one with frozen layers.
fn spec(bench: &Bench) -> JobSpec {
    let side = bench.network.side;
    let origin = if bench.frozen == 0 { Origin::None } else { Origin::Random };
    JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: Digest([0; 32]),
        image: ImageShape { height: side, width: side, channels: bench.channels },
        split: "random-0".to_owned(),
        target: Classes { half: Half::A, indices: (0..bench.outputs).collect::<Vec<_>>().into() },
        source: None,
        imported: None,
        treatment: Treatment { origin, layers_copied: bench.frozen, layers_frozen: bench.frozen },
        network: bench.network.clone().into(),
        recipe: Recipe { iterations: 1, batch: bench.batch, ..Recipe::quick_28() },
        seed: 0,
        images_per_class: ImagesPerClass::All,
    }
}

/// A network in training, with the one batch that it learns.
struct Subject {
    network: Network,
    solver: Sgd,
    batch: Batch,
    streams: Streams,
    recipe: Recipe,
    /// Operations of each layer's learned operator for one image, forward and back.
    flops: Vec<f64>,
}

impl Subject {
    fn new(spec: &JobSpec) -> Result<Self, TrainError> {
        let failed = |source| TrainError::Tensor { iteration: 0, source };
        let parameters = initial_parameters(spec)?;
        let frozen = usize::from(spec.treatment.layers_frozen);
        let momentum: Vec<_> = parameters[frozen..].iter().map(HostParameters::zeros_like).collect();
        let operators = build_operators(spec)?;
        let mut network = Network::new(operators, &parameters, frozen).map_err(failed)?;
        let ImageShape { height, width, channels } = spec.image;
        let shape = [spec.recipe.batch, height, width, channels].map(|length| length as usize);
        let labels: Vec<_> = (0..spec.recipe.batch).map(|image| image % spec.outputs()).collect();
        Ok(Self {
            solver: Sgd::new(&mut network.layers[frozen..], &momentum).map_err(failed)?,
            batch: Batch {
                images: Tensor::randn(0_f32, 0.3, &shape, &Memory::Cpu).map_err(failed)?,
                labels: Tensor::from_vec(labels, shape[0], &Memory::Cpu).map_err(failed)?,
            },
            streams: Streams::of(spec),
            flops: cost::training_flops_by_layer(spec),
            recipe: spec.recipe.clone(),
            network,
        })
    }

    fn iterate(&self, pool: &ThreadPool, iteration: u32) -> candle_core::Result<()> {
        let Self { network, solver, batch, streams, recipe, .. } = self;
        let draw = DropoutDraw { streams, iteration, share: recipe.dropout };
        pool.install(|| iterate(network, solver, batch, (draw, Rates::at(recipe, 0)))).map(drop)
    }

    /// The same iterations with the clock going.
    fn by_operator(
        &mut self,
        pool: &ThreadPool,
        iterations: u32,
    ) -> candle_core::Result<Vec<OperatorSeconds>> {
        self.network.clock = Clock::started();
        for iteration in 0..iterations {
            self.iterate(pool, iteration)?;
        }
        let each = |time: Duration| time.as_secs_f64() / f64::from(iterations);
        let times = self.network.clock.times().into_iter();
        let operators = times.map(|(part, time)| OperatorSeconds {
            name: self.name(part),
            forward_s: each(time.forward),
            backward_s: each(time.backward),
            flops_per_image: match part {
                Part::Operator { layer, operator: 0 } => self.flops[layer],
                _ => 0.0,
            },
        });
        Ok(operators.collect())
    }

    fn name(&self, part: Part) -> String {
        match part {
            Part::Operator { layer, operator } => {
                let layer = &self.network.layers[layer];
                format!("{}.{}", layer.name, layer.operators[operator].name())
            }
            Part::Loss => "loss".to_owned(),
            Part::Update => "update".to_owned(),
        }
    }
}
