//! How fast this machine makes training batches of a pack; no network is trained.

use std::path::Path;

use anyhow::Context;
use selffer_core::pack::Encoding;
use selffer_data::Pack;
use selffer_training::bench::{Batches, bench_batches};
use serde::Serialize;

use super::{BenchArguments, OutputFormat};

/// The result in JSON, `selffer.bench-batches/v1`.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    pack: String,
    height: u32,
    width: u32,
    channels: u32,
    encoding: Encoding,
    /// None takes whole images.
    crop: Option<u32>,
    batch: u32,
    loaders: usize,
    images_per_s: f64,
    images_per_s_and_loader: f64,
}

/// Measures the pack in this folder.
///
/// # Errors
/// It is no pack, or its images do not go with the crop.
pub(super) fn measure(folder: &Path, arguments: &BenchArguments) -> anyhow::Result<String> {
    let pack = Pack::open(folder)?;
    let loaders = arguments.device.device().threads();
    let (crop, batch) = (arguments.crop, arguments.batch);
    let asked = Batches { pack: &pack, crop, batch, loaders, batches: arguments.iterations };
    let images_per_s = bench_batches(&asked)?;
    let image = pack.manifest().image;
    let report = Report {
        schema: "selffer.bench-batches/v1",
        pack: pack.digest().to_string(),
        height: image.height,
        width: image.width,
        channels: image.channels,
        encoding: pack.manifest().encoding,
        crop,
        batch,
        loaders,
        images_per_s,
        images_per_s_and_loader: images_per_s / loaders as f64,
    };
    match arguments.output {
        OutputFormat::Table => Ok(text(&report)),
        OutputFormat::Json => Ok(serde_json::to_string(&report).context("cannot write JSON")? + "\n"),
    }
}

fn text(report: &Report) -> String {
    let Report { height, width, channels, batch, loaders, images_per_s, .. } = report;
    let seen = report.crop.map_or_else(|| "whole".to_owned(), |crop| format!("cropped to {crop}×{crop}"));
    format!(
        "images of {height}×{width}×{channels}, {seen}, in batches of {batch}\n\
         {images_per_s:.0} images/s with loaders: {loaders}; {:.0} images/s each\n",
        report.images_per_s_and_loader
    )
}
