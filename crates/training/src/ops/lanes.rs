//! How work is cut into pieces: by shapes alone, never by the number of threads.
//!
//! A batch is cut into lanes of neighbouring images. Each lane is computed by one thread
//! from beginning to end; what must be summed over the batch is summed within a lane
//! first, and over lanes in their order. So the bits are the same on 1 thread and on 16.

use rayon::prelude::*;

/// Images that make a lane worth its own share of the weights' gradient.
const LANE_IMAGES_MIN: usize = 8;
/// Lanes of one batch; each keeps its own sum of the weights' gradient.
const LANES_MAX: usize = 16;
/// Values of one piece of an operator that treats every value alike.
const PIECE_VALUES: usize = 1 << 14;

/// How many images one lane of a batch has (the last one may have fewer).
pub(super) fn lane_images(batch: usize) -> usize {
    let lanes = (batch / LANE_IMAGES_MIN).clamp(1, LANES_MAX);
    batch.div_ceil(lanes).max(1)
}

/// Sums the lanes' parts in order; all have the same length. No lanes give nothing.
pub(super) fn sum_in_order(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let Some(mut total) = parts.next() else { return Vec::new() };
    for part in parts {
        super::simd::wide(|| add(&mut total, &part));
    }
    total
}

#[inline(always)]
fn add(total: &mut [f32], part: &[f32]) {
    for (total, part) in total.iter_mut().zip(part) {
        *total += part;
    }
}

/// Calls `change` for pieces of `values`, with the index of each piece's first value.
pub(crate) fn for_each_piece(values: &mut [f32], change: impl Fn(usize, &mut [f32]) + Sync) {
    values.par_chunks_mut(PIECE_VALUES).enumerate().for_each(|(piece, values)| {
        super::simd::wide(|| change(piece * PIECE_VALUES, values));
    });
}

/// The same for two slices of one length, piece by piece.
pub(crate) fn for_each_pair_of_pieces(
    (one, other): (&mut [f32], &mut [f32]),
    change: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) {
    let pieces = one.par_chunks_mut(PIECE_VALUES).zip(other.par_chunks_mut(PIECE_VALUES));
    pieces.enumerate().for_each(|(piece, (one, other))| {
        super::simd::wide(|| change(piece * PIECE_VALUES, one, other));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_cover_a_batch_and_stay_few() {
        for batch in 1..400 {
            let images = lane_images(batch);
            assert!(batch.div_ceil(images) <= LANES_MAX, "batch {batch}");
        }
        assert_eq!(lane_images(64), 8);
        assert_eq!(lane_images(5), 5);
    }
}
