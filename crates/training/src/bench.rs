//! How fast a network trains: real iterations on random images, and where their time goes.

use std::time::Instant;

use candle_core::{Device as Memory, Tensor};
use rayon::{ThreadPool, ThreadPoolBuilder};
use selffer_core::{
    cost,
    ids::Digest,
    network::{LayerShapes, Network as Description, Operator},
    recipe::Recipe,
    spec::{
        Classes, Half, ImageShape, ImagesPerClass, JobSpec, Origin, TRAINER_SEMANTICS_VERSION, Treatment,
    },
    stream::Streams,
};

use crate::{
    error::TrainError,
    network::{Clock, DropoutDraw, Network, build_operators, initial_parameters},
    ops::{peak_flops_per_s, softmax_loss},
    solver::{Rates, Sgd},
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
        flops_per_image: cost::training_flops(&spec) / f64::from(bench.batch),
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
    images: Tensor,
    labels: Tensor,
    streams: Streams,
    recipe: Recipe,
    /// Names of the operators, layer by layer.
    names: Vec<Vec<String>>,
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
            images: Tensor::randn(0_f32, 0.3, &shape, &Memory::Cpu).map_err(failed)?,
            labels: Tensor::from_vec(labels, shape[0], &Memory::Cpu).map_err(failed)?,
            streams: Streams::of(spec),
            names: operator_names(&spec.network),
            flops: flops(spec)?,
            recipe: spec.recipe.clone(),
            network,
        })
    }

    /// One iteration; returns when the loss and the update began and ended.
    fn iterate(&mut self, pool: &ThreadPool, iteration: u32) -> candle_core::Result<[f64; 2]> {
        let Self { network, solver, images, labels, streams, recipe, .. } = self;
        let draw = DropoutDraw { streams, iteration, share: recipe.dropout };
        pool.install(|| {
            let (logits, trace) = network.forward(images, draw)?;
            let started = Instant::now();
            softmax_loss::mean_loss(&logits, labels)?;
            let gradient = softmax_loss::gradient(&logits, labels)?;
            let loss_s = started.elapsed().as_secs_f64();
            network.backward(trace, gradient, draw, solver.gradients())?;
            let started = Instant::now();
            solver.update(Rates::at(recipe, 0))?;
            Ok([loss_s, started.elapsed().as_secs_f64()])
        })
    }

    /// The same iterations with the clock going.
    fn by_operator(
        &mut self,
        pool: &ThreadPool,
        iterations: u32,
    ) -> candle_core::Result<Vec<OperatorSeconds>> {
        self.network.clock = Clock::started();
        let (mut loss_s, mut update_s) = (0.0, 0.0);
        for iteration in 0..iterations {
            let [loss, update] = self.iterate(pool, iteration)?;
            (loss_s, update_s) = (loss_s + loss, update_s + update);
        }
        let each = |seconds: f64| seconds / f64::from(iterations);
        let times = self.network.clock.times().into_iter();
        let mut operators: Vec<_> = times
            .map(|((layer, operator), time)| OperatorSeconds {
                name: self.names[layer][operator].clone(),
                forward_s: each(time.forward.as_secs_f64()),
                backward_s: each(time.backward.as_secs_f64()),
                flops_per_image: if operator == 0 { self.flops[layer] } else { 0.0 },
            })
            .collect();
        let rest = |name: &str, forward_s, backward_s| OperatorSeconds {
            name: name.to_owned(),
            forward_s: each(forward_s),
            backward_s: each(backward_s),
            flops_per_image: 0.0,
        };
        operators.push(rest("loss", loss_s, 0.0));
        operators.push(rest("update", 0.0, update_s));
        Ok(operators)
    }
}

/// Forward and, of layers that learn, the gradients of weights and inputs; the lowest of them
/// needs none of its input.
fn flops(spec: &JobSpec) -> Result<Vec<f64>, TrainError> {
    let frozen = usize::from(spec.treatment.layers_frozen);
    let shapes = spec.network.shapes(spec.image.channels, spec.outputs())?;
    let of_layer = |(index, layer): (usize, &LayerShapes)| {
        let passes = 1 + u8::from(index >= frozen) + u8::from(index > frozen);
        2.0 * layer.multiply_adds as f64 * f64::from(passes)
    };
    Ok(shapes.iter().enumerate().map(of_layer).collect())
}

/// `conv1.convolution`, `conv1.max-pool`: as the trainer runs them, a rectifier after a
/// learned operator as part of it.
fn operator_names(network: &Description) -> Vec<Vec<String>> {
    let of_layer = |layer: &selffer_core::network::Layer| {
        let after_learned = |index: usize| index == 1;
        let operators = layer.operators.iter().enumerate();
        let run =
            operators.filter(|(index, operator)| !(after_learned(*index) && **operator == Operator::Relu));
        run.map(|(_, operator)| format!("{}.{}", layer.name, operator_name(operator))).collect()
    };
    network.layers.iter().map(of_layer).collect()
}

fn operator_name(operator: &Operator) -> &'static str {
    match operator {
        Operator::Convolution { .. } => "convolution",
        Operator::Linear { .. } => "linear",
        Operator::Relu => "relu",
        Operator::MaxPool { .. } => "max-pool",
        Operator::LocalResponseNorm { .. } => "lrn",
        Operator::Dropout => "dropout",
    }
}
