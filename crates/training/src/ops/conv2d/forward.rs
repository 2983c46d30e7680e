//! The forward pass: each window of the bordered input times the weights.

use rayon::prelude::*;

use super::geometry::{Geometry, images_at_a_time};
use crate::ops::{
    panels::Panels,
    scratch::lend_zeros,
    simd::wide,
    tile::{Finish, Left, Out, PANEL, Start, Sums, sum_products},
};

/// Convolves `x` and adds the bias.
pub(super) fn convolve(
    geometry: Geometry,
    x: &[f32],
    (weight, bias): (&[f32], &[f32]),
    finish: Finish,
) -> Vec<f32> {
    let groups: Vec<_> = (0..geometry.groups)
        .map(|group| Group {
            index: group,
            weights: weights(geometry, weight, group),
            bias: start(geometry, bias, group),
        })
        .collect();
    let batch = x.len() / geometry.input_values();
    let mut y = vec![0.0; batch * geometry.output_values()];
    let images = images_at_a_time(geometry.bordered_input().values(), geometry.positions(), batch);
    let offsets = Offsets::new(geometry, images, finish);
    let pieces = y
        .par_chunks_mut(images * geometry.output_values())
        .zip(x.par_chunks(images * geometry.input_values()));
    pieces.for_each(|(y, x)| {
        lend_zeros(images * geometry.bordered_input().values(), |bordered| {
            for group in &groups {
                offsets.convolve(group, x, bordered, y);
            }
        });
    });
    y
}

struct Group {
    index: usize,
    weights: Panels,
    /// Of whole panels.
    bias: Vec<f32>,
}

/// The weights of a group, `[fan-in, outputs]`: kernel row, kernel column, channel.
fn weights(geometry: Geometry, weight: &[f32], group: usize) -> Panels {
    let (kernel, channels) = (geometry.kernel, geometry.group_channels());
    Panels::gather(weight, (geometry.fan_in(), geometry.group_outputs()), |term, output| {
        let position = term / channels;
        geometry.weight_index(group, (output, term % channels), (position / kernel, position % kernel))
    })
}

fn start(geometry: Geometry, bias: &[f32], group: usize) -> Vec<f32> {
    let outputs = geometry.group_outputs();
    let mut start = bias[group * outputs..][..outputs].to_vec();
    start.resize(outputs.next_multiple_of(PANEL), 0.0);
    start
}

/// Where windows begin and results go, for as many images as are convolved at a time.
struct Offsets {
    geometry: Geometry,
    windows: Vec<usize>,
    results: Vec<usize>,
    /// Rows of the kernel.
    runs: Vec<usize>,
    finish: Finish,
}

impl Offsets {
    fn new(geometry: Geometry, images: usize, finish: Finish) -> Self {
        let bordered = geometry.bordered_input();
        let Geometry { stride, kernel, outputs, .. } = geometry;
        let (height, width) = (geometry.out_height(), geometry.out_width());
        let window = |position: usize| {
            let (image, position) = (position / (height * width), position % (height * width));
            let (row, column) = (position / width * stride, position % width * stride);
            image * bordered.values() + row * bordered.pitch() + column * bordered.channels
        };
        let positions = images * height * width;
        Self {
            geometry,
            windows: (0..positions).map(window).collect(),
            results: (0..positions).map(|position| position * outputs).collect(),
            runs: (0..kernel).map(|row| row * bordered.pitch()).collect(),
            finish,
        }
    }

    fn convolve(&self, group: &Group, x: &[f32], bordered: &mut [f32], y: &mut [f32]) {
        let geometry = self.geometry;
        let shape = geometry.bordered_input();
        wide(|| shape.fill(x, geometry.channels, group.index * shape.channels, bordered));
        let positions = y.len() / geometry.outputs;
        let sums = Sums {
            left: Left {
                values: bordered,
                rows: &self.windows[..positions],
                runs: &self.runs,
                run_terms: geometry.kernel * shape.channels,
                step: 1,
            },
            right: group.weights.right(),
            start: Start::Columns(&group.bias),
            finish: self.finish,
        };
        let outputs = geometry.group_outputs();
        let values = &mut y[group.index * outputs..];
        sum_products(sums, &mut Out { values, rows: &self.results[..positions], columns: outputs });
    }
}
