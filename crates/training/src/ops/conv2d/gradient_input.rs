//! The gradient of the input: a convolution of the output's gradient, once for each class.
//!
//! Input row `q` gets from output row `p` where `q + pad = p · stride + i` for a row `i` of
//! the kernel. Rows whose `q + pad` leaves the same rest by the stride see the same rows of
//! the kernel, `i = rest + stride · t`, and neighbours among them see neighbouring outputs,
//! `p = m − t` with `q + pad = rest + stride · m`. So each class of (row's rest, column's
//! rest) is a convolution of stride 1 with its share of the kernel turned round; with stride
//! 1 there is one class, and the whole kernel.

use rayon::prelude::*;

use super::geometry::{Bordered, Geometry, images_at_a_time};
use crate::ops::{
    panels::Panels,
    scratch::lend_zeros,
    simd::wide,
    tile::{Finish, Left, Out, Start, Sums, sum_products},
};

/// The gradient of the input, given that of the output, `dy`.
pub(super) fn spread(geometry: Geometry, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let rows = Rests::new(geometry, geometry.height, geometry.out_height());
    let columns = Rests::new(geometry, geometry.width, geometry.out_width());
    let bordered = Bordered {
        height: geometry.out_height(),
        width: geometry.out_width(),
        channels: geometry.group_outputs(),
        border: rows.border.max(columns.border),
    };
    let batch = dy.len() / geometry.output_values();
    let images = images_at_a_time(bordered.values(), geometry.height * geometry.width, batch);
    let classes: Vec<_> = rows
        .classes
        .iter()
        .flat_map(|&row| columns.classes.iter().map(move |&column| (row, column)))
        .map(|(row, column)| Class::new(geometry, (bordered, images), (row, column), weight))
        .collect();

    // Pixels that no window saw keep their 0.
    let mut dx = vec![0.0; batch * geometry.input_values()];
    let pieces = dx
        .par_chunks_mut(images * geometry.input_values())
        .zip(dy.par_chunks(images * geometry.output_values()));
    pieces.for_each(|(dx, dy)| {
        lend_zeros(images * bordered.values(), |values| {
            for group in 0..geometry.groups {
                wide(|| bordered.fill(dy, geometry.outputs, group * bordered.channels, values));
                for class in &classes {
                    class.spread(geometry, (values, group), dx);
                }
            }
        });
    });
    dx
}

/// Along one axis: pixels with one rest, and what they see.
#[derive(Clone, Copy)]
struct Rest {
    rest: usize,
    /// The first pixel; the others follow a stride apart.
    first: usize,
    pixels: usize,
    /// Rows (or columns) of the kernel.
    taps: usize,
    /// Output that the first pixel's last tap meets; below 0 it is one of the border.
    begins: isize,
}

/// All rests along one axis that see anything.
struct Rests {
    classes: Vec<Rest>,
    /// Zeros that are needed around the outputs.
    border: usize,
}

impl Rests {
    fn new(geometry: Geometry, length: usize, outputs: usize) -> Self {
        let Geometry { kernel, stride, pad, .. } = geometry;
        let mut border = 0;
        let classes = (0..stride.min(kernel)).filter_map(|rest| {
            let taps = (kernel - rest).div_ceil(stride);
            // q + pad = rest + stride · m, with q from 0 to length − 1.
            let least = pad.saturating_sub(rest).div_ceil(stride);
            let most = (length - 1 + pad).checked_sub(rest)? / stride;
            let pixels = (most + 1).checked_sub(least).filter(|&pixels| pixels > 0)?;
            let begins = least as isize - (taps as isize - 1);
            let beyond = most as isize - (outputs as isize - 1);
            border = border.max(-begins).max(beyond);
            Some(Rest { rest, first: rest + stride * least - pad, pixels, taps, begins })
        });
        let classes = classes.collect();
        Self { classes, border: border as usize }
    }
}

/// A convolution of stride 1.
struct Class {
    windows: Vec<usize>,
    /// Of pixels in the gradient of the input.
    results: Vec<usize>,
    runs: Vec<usize>,
    run_terms: usize,
    /// Of each group: `[taps of rows, taps of columns, outputs]` by channels.
    weights: Vec<Panels>,
    /// Of one image.
    pixels: usize,
}

impl Class {
    fn new(
        geometry: Geometry,
        (bordered, images): (Bordered, usize),
        (row, column): (Rest, Rest),
        weight: &[f32],
    ) -> Self {
        let Geometry { stride, width, channels, groups, .. } = geometry;
        let (pixels, pitch) = (row.pixels * column.pixels, bordered.pitch());
        let corner = |rest: Rest| {
            let begins = rest.begins + bordered.border as isize;
            usize::try_from(begins).expect("the border is as wide as any class needs")
        };
        let places = |index: usize| {
            let pixel = index % pixels;
            (index / pixels, pixel / column.pixels, pixel % column.pixels)
        };
        let window = |index: usize| {
            let (image, y, x) = places(index);
            image * bordered.values() + (corner(row) + y) * pitch + (corner(column) + x) * bordered.channels
        };
        let result = |index: usize| {
            let (image, y, x) = places(index);
            let pixel = (row.first + stride * y) * width + column.first + stride * x;
            image * geometry.input_values() + pixel * channels
        };
        Self {
            windows: (0..images * pixels).map(window).collect(),
            results: (0..images * pixels).map(result).collect(),
            runs: (0..row.taps).map(|tap| tap * pitch).collect(),
            run_terms: column.taps * bordered.channels,
            weights: (0..groups).map(|group| weights(geometry, weight, group, (row, column))).collect(),
            pixels,
        }
    }

    fn spread(&self, geometry: Geometry, (bordered, group): (&[f32], usize), dx: &mut [f32]) {
        let pixels = dx.len() / geometry.input_values() * self.pixels;
        let sums = Sums {
            left: Left {
                values: bordered,
                rows: &self.windows[..pixels],
                runs: &self.runs,
                run_terms: self.run_terms,
                step: 1,
            },
            right: self.weights[group].right(),
            start: Start::Zero,
            finish: Finish::Plain,
        };
        let channels = geometry.group_channels();
        let values = &mut dx[group * channels..];
        sum_products(sums, &mut Out { values, rows: &self.results[..pixels], columns: channels });
    }
}

/// The weights that a class sees, its taps from last to first.
fn weights(geometry: Geometry, weight: &[f32], group: usize, (row, column): (Rest, Rest)) -> Panels {
    let (outputs, stride) = (geometry.group_outputs(), geometry.stride);
    let terms = row.taps * column.taps * outputs;
    let at = |rest: Rest, tap: usize| rest.rest + stride * (rest.taps - 1 - tap);
    Panels::gather(weight, (terms, geometry.group_channels()), |term, channel| {
        let (tap, output) = (term / outputs, term % outputs);
        let place = (at(row, tap / column.taps), at(column, tap % column.taps));
        geometry.weight_index(group, (output, channel), place)
    })
}
