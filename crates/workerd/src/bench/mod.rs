//! `workerd bench`: how fast this machine trains a network, and where the time goes.
//!
//! Real iterations (forward, backward, update) on random images; or, with `--batches`, how fast
//! it makes the batches of a pack for them. No coordinator, and no file is written.
//! The measuring is `selffer-training`'s; here is what people type and what they see.

mod batches;
mod table;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use selffer_core::network::{self, Network};
use selffer_training::{
    bench::{Bench, Measured, OperatorSeconds, bench},
    device_kind, select_device,
};
use serde::Serialize;

use crate::config::OneDevice;

/// What the user typed.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// A preset
    #[arg(long, value_name = "NAME", required_unless_present_any = ["network_file", "batches"])]
    network: Option<String>,
    /// A network file, as a grid's `network: {file: …}` names it
    #[arg(long, value_name = "FILE", conflicts_with = "network")]
    network_file: Option<PathBuf>,
    /// Only make training batches of the pack in this folder, one loader for each thread
    #[arg(long, value_name = "PACK", conflicts_with_all = ["network", "network_file", "frozen", "channels", "outputs"])]
    batches: Option<PathBuf>,
    /// Side of the crop, in pixels [default: whole images]
    #[arg(long, value_name = "PIXELS", conflicts_with_all = ["network", "network_file"])]
    crop: Option<u32>,
    /// Images of an iteration
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// How many of the first layers are frozen
    #[arg(long, value_name = "N", default_value_t = 0)]
    frozen: u8,
    /// Channels of an image
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3))]
    channels: u32,
    /// Classes
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=65_536))]
    outputs: u32,
    /// Iterations, or batches, whose time counts
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    iterations: u32,
    #[command(flatten)]
    device: OneDevice,
    /// How the result looks
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: OutputFormat,
}

/// How the result looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// For people.
    Table,
    /// One JSON object, `selffer.bench/v1`.
    Json,
}

/// The result in JSON, `selffer.bench/v1`. Times of one iteration.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    network: String,
    device: String,
    precision: &'static str,
    threads: usize,
    batch: u32,
    frozen: u8,
    images_per_s: f64,
    ms_per_iteration: Spread,
    flops_per_image: f64,
    /// Of the whole iteration.
    gflops_per_s: f64,
    /// Reached in the innermost loop with everything in the nearest cache.
    peak_gflops_per_s: f64,
    /// `gflops_per_s` over it.
    peak_share: f64,
    by_op: Vec<Operator>,
}

#[derive(Debug, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Operator {
    op: String,
    forward_ms: f64,
    backward_ms: f64,
    /// Of what the operators of the sum took together.
    share: f64,
    /// Of the peak; none for operators that are not products.
    peak_share: Option<f64>,
}

/// Measures and prints.
///
/// # Errors
/// There is no such network, pack or device, the network does not take such images or so many
/// frozen layers, or there is not enough memory.
pub fn run(arguments: &BenchArguments) -> anyhow::Result<()> {
    let text = match &arguments.batches {
        Some(folder) => batches::measure(folder, arguments)?,
        None => measure(arguments)?,
    };
    io::stdout().lock().write_all(text.as_bytes()).context("cannot print the result")
}

fn measure(arguments: &BenchArguments) -> anyhow::Result<String> {
    let device = arguments.device.device();
    let kind = device_kind(select_device(device.request())?);
    let network = network(arguments)?;
    let layer_count = network.layer_count();
    ensure!(
        usize::from(arguments.frozen) < layer_count,
        "--frozen {}: {} has {layer_count} layers, of which the last must learn",
        arguments.frozen,
        network.name
    );
    let asked = Bench {
        channels: arguments.channels,
        outputs: arguments.outputs,
        batch: arguments.batch,
        frozen: arguments.frozen,
        threads: device.threads(),
        iterations: arguments.iterations,
        network,
    };
    let measured = bench(&asked)?;
    let report = report(&asked, measured, kind);
    match arguments.output {
        OutputFormat::Table => Ok(table::text(&report)),
        OutputFormat::Json => Ok(serde_json::to_string(&report).context("cannot write JSON")? + "\n"),
    }
}

fn network(arguments: &BenchArguments) -> anyhow::Result<Network> {
    if let Some(path) = &arguments.network_file {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        return Ok(network::file::read(&name, &text)?.network().clone());
    }
    let name = arguments.network.as_deref().unwrap_or_default();
    let unknown = || format!("--network {name}: not one of {}", network::PRESETS.join(", "));
    Network::preset(name).with_context(unknown)
}

fn report(asked: &Bench, measured: Measured, device: String) -> Report {
    let Measured { iterations_s, flops_per_image, peak_flops_per_s, by_operator } = measured;
    let spread = spread(iterations_s);
    let images_per_s = f64::from(asked.batch) * 1e3 / spread.median;
    let flops_per_s = images_per_s * flops_per_image;
    let all_s: f64 = by_operator.iter().map(|operator| operator.forward_s + operator.backward_s).sum();
    let operator = |operator: OperatorSeconds| {
        let seconds = operator.forward_s + operator.backward_s;
        let flops = operator.flops_per_image * f64::from(asked.batch);
        Operator {
            op: operator.name,
            forward_ms: operator.forward_s * 1e3,
            backward_ms: operator.backward_s * 1e3,
            share: seconds / all_s,
            peak_share: (flops > 0.0).then(|| flops / seconds / peak_flops_per_s),
        }
    };
    Report {
        schema: "selffer.bench/v1",
        network: asked.network.name.clone(),
        device,
        precision: "f32",
        threads: asked.threads,
        batch: asked.batch,
        frozen: asked.frozen,
        images_per_s,
        ms_per_iteration: spread,
        flops_per_image,
        gflops_per_s: flops_per_s / 1e9,
        peak_gflops_per_s: peak_flops_per_s / 1e9,
        peak_share: flops_per_s / peak_flops_per_s,
        by_op: by_operator.into_iter().map(operator).collect(),
    }
}

/// Of seconds, in milliseconds; there is at least one.
fn spread(mut seconds: Vec<f64>) -> Spread {
    seconds.sort_by(f64::total_cmp);
    let at = |index: usize| seconds[index] * 1e3;
    let last = seconds.len() - 1;
    Spread { min: at(0), median: (at(last / 2) + at(last.div_ceil(2))) / 2.0, max: at(last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_between_the_middle_two() {
        let Spread { min, median, max } = spread(vec![0.004, 0.001, 0.003, 0.002]);
        assert_eq!((min, median, max), (1.0, 2.5, 4.0));
        assert_eq!(spread(vec![0.25]).median, 250.0);
    }
}
