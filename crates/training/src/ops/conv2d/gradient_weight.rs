//! The gradient of the weights: each weight's input times the output's gradient, summed over
//! all positions of all images.

use rayon::prelude::*;

use super::geometry::{Bordered, Geometry};
use crate::ops::{
    lanes::{lane_images, sum_in_order},
    panels::pack_terms,
    scratch::lend_zeros,
    simd::wide,
    tile::{Left, Out, PANEL, Right, Sums, sum_products},
};

/// Writes the gradient of the weights, `[O, C/G, K, K]`, given that of the output, `dy`.
pub(super) fn correlate(geometry: Geometry, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    let batch = x.len() / geometry.input_values();
    let lane = lane_images(batch);
    let offsets = Offsets::new(geometry);
    let parts = dy
        .par_chunks(lane * geometry.output_values())
        .zip(x.par_chunks(lane * geometry.input_values()))
        .map(|(dy, x)| offsets.correlate(dy, x))
        .collect();
    offsets.in_the_order_of_weights(&sum_in_order(parts), dw);
}

/// Where the inputs of a group's weights lie in a window, and the sums over a lane go.
///
/// Sums are `[G, panels, fan-in, 16]`; a panel has 16 outputs, its rows are the weights of
/// one output in the order of a window: kernel row, kernel column, channel.
struct Offsets {
    geometry: Geometry,
    bordered: Bordered,
    /// Of a group.
    panels: usize,
    inputs: Vec<usize>,
    results: Vec<usize>,
}

impl Offsets {
    fn new(geometry: Geometry) -> Self {
        let bordered = geometry.bordered_input();
        let run = geometry.kernel * bordered.channels;
        Self {
            geometry,
            bordered,
            panels: geometry.group_outputs().div_ceil(PANEL),
            inputs: (0..geometry.fan_in()).map(|term| term / run * bordered.pitch() + term % run).collect(),
            results: (0..geometry.fan_in()).map(|term| term * PANEL).collect(),
        }
    }

    /// The sums over the images of one lane.
    fn correlate(&self, dy: &[f32], x: &[f32]) -> Vec<f32> {
        let Self { geometry, bordered, panels, .. } = self;
        let mut sums = vec![0.0; geometry.groups * panels * geometry.fan_in() * PANEL];
        let positions = geometry.positions();
        let images = images_packed(bordered.values() + panels * positions * PANEL);
        let pieces =
            dy.chunks(images * geometry.output_values()).zip(x.chunks(images * geometry.input_values()));
        for (dy, x) in pieces {
            let images = x.len() / geometry.input_values();
            lend_zeros(images * bordered.values(), |input| {
                lend_zeros(panels * images * positions * PANEL, |gradient| {
                    let groups = sums.chunks_exact_mut(panels * geometry.fan_in() * PANEL);
                    for (group, sums) in groups.enumerate() {
                        wide(|| self.pack((dy, x), group, input, gradient));
                        self.add_images(input, gradient, sums);
                    }
                });
            });
        }
        sums
    }

    /// Puts a group of some images, and of their gradients, where they can be read straight on.
    #[inline(always)]
    fn pack(&self, (dy, x): (&[f32], &[f32]), group: usize, input: &mut [f32], gradient: &mut [f32]) {
        let Self { geometry, bordered, .. } = self;
        let outputs = geometry.group_outputs();
        bordered.fill(x, geometry.channels, group * bordered.channels, input);
        let panels = gradient.chunks_exact_mut(gradient.len() / self.panels).enumerate();
        for (index, panel) in panels {
            let first = index * PANEL;
            pack_terms(&dy[group * outputs + first..], geometry.outputs, outputs - first, panel);
        }
    }

    /// Adds what one group of some images gives to the group's sums. Goes by bands of output
    /// rows whose inputs stay in a core's first-level cache while every weight meets them;
    /// a band's sum is taken by itself, so the bands are part of the result.
    fn add_images(&self, input: &[f32], gradient: &[f32], sums: &mut [f32]) {
        let Self { geometry, bordered, .. } = self;
        let width = geometry.out_width();
        let line_pitch = geometry.stride * bordered.pitch();
        let lines: Vec<_> = (0..input.len() / bordered.values())
            .flat_map(|image| (0..geometry.out_height()).map(move |line| (image, line)))
            .map(|(image, line)| image * bordered.values() + line * line_pitch)
            .collect();
        let band = band_lines(line_pitch + width * PANEL, width);
        for (index, runs) in lines.chunks(band).enumerate() {
            let first = index * band * width * PANEL;
            let panels = gradient.chunks_exact(lines.len() * width * PANEL);
            let panels = panels.zip(sums.chunks_exact_mut(self.results.len() * PANEL));
            for (panel, (gradient, sums)) in panels.enumerate() {
                let columns = PANEL.min(geometry.group_outputs() - panel * PANEL);
                let step = geometry.stride * bordered.channels;
                let left = Left { values: input, rows: &self.inputs, runs, run_terms: width, step };
                let right = Right { values: &gradient[first..], panel_step: 0 };
                let mut out = Out { values: sums, rows: &self.results, columns };
                sum_products(Sums::added(left, right), &mut out);
            }
        }
    }

    fn in_the_order_of_weights(&self, sums: &[f32], weights: &mut [f32]) {
        let kernel = self.geometry.kernel;
        let (fan_in, area, group_outputs) =
            (self.geometry.fan_in(), kernel * kernel, self.geometry.group_outputs());
        let channels = self.geometry.group_channels();
        weights.par_chunks_exact_mut(fan_in).enumerate().for_each(|(output, weights)| {
            let (group, output) = (output / group_outputs, output % group_outputs);
            let panel = group * self.panels + output / PANEL;
            let sums = &sums[panel * fan_in * PANEL + output % PANEL..];
            for (channel, weights) in weights.chunks_exact_mut(area).enumerate() {
                for (place, weight) in weights.iter_mut().enumerate() {
                    *weight = sums[(place * channels + channel) * PANEL];
                }
            }
        });
    }
}

/// Images that are packed at a time, given the values of one.
fn images_packed(values: usize) -> usize {
    /// Half of a small second-level cache.
    const VALUES: usize = 64 * 1024;
    (VALUES / values).max(1)
}

/// Output rows of a band, given the values that one of them reads, and its positions.
fn band_lines(values: usize, positions: usize) -> usize {
    /// Three quarters of a small first-level cache.
    const VALUES: usize = 6 * 1024;
    /// Fewer would cost more to add up than to multiply.
    const POSITIONS_MIN: usize = 128;
    (VALUES / values).max(POSITIONS_MIN.div_ceil(positions))
}
