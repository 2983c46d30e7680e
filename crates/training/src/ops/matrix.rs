//! Matrix products with a fixed order of sums.
//!
//! `gemm` takes its block sizes from the machine's caches; a sum over more than one block
//! would depend on them. It never cuts a sum of up to 512 terms, so we cut there ourselves
//! and let the blocks add up in order. Every product runs on the calling thread.

use gemm::{Parallelism, gemm};

/// Terms of one block of a sum.
const DEPTH_MAX: usize = 512;

/// Size of a product `[rows, depth] · [depth, columns]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) depth: usize,
    /// Whether the product is added to what is there.
    pub(super) adds: bool,
}

/// A matrix in memory. Element (row, column) lies at `row · row_stride + column · column_stride`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

/// A matrix to be written; see [`Matrix`].
pub(super) struct MatrixMut<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

/// Computes `out = left · right`, or `out += left · right`.
///
/// # Panics
/// If a matrix is smaller than the product says.
#[allow(unsafe_code)]
pub(super) fn multiply(product: Product, out: &mut MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>) {
    let Product { rows, columns, depth, adds } = product;
    if rows == 0 || columns == 0 {
        return;
    }
    check(out.values.len(), (rows, out.row_stride), (columns, out.column_stride));
    check(left.values.len(), (rows, left.row_stride), (depth, left.column_stride));
    check(right.values.len(), (depth, right.row_stride), (columns, right.column_stride));
    assert!(out.row_stride > 0 && out.column_stride > 0, "elements of a result must not overlap");
    for start in (0..depth).step_by(DEPTH_MAX) {
        let block = DEPTH_MAX.min(depth - start);
        let accumulates = adds || start > 0;
        // SAFETY: `check` has shown that every element of the three matrices, at
        // `row · row_stride + column · column_stride`, lies within its slice, and the
        // result is borrowed mutably, so it overlaps neither operand. The blocks' offsets
        // are elements (0, start) of `left` and (start, 0) of `right`. The strides fit
        // `isize`, since they index slices. The element type is f32 for all.
        unsafe {
            gemm(
                rows,
                columns,
                block,
                out.values.as_mut_ptr(),
                out.column_stride as isize,
                out.row_stride as isize,
                accumulates,
                left.values.as_ptr().add(start * left.column_stride),
                left.column_stride as isize,
                left.row_stride as isize,
                right.values.as_ptr().add(start * right.row_stride),
                right.column_stride as isize,
                right.row_stride as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

fn check(len: usize, (rows, row_stride): (usize, usize), (columns, column_stride): (usize, usize)) {
    assert!(rows > 0 && columns > 0, "a product has no empty sums");
    let last = (rows - 1) * row_stride + (columns - 1) * column_stride;
    assert!(last < len, "matrix of {len} values has no element {last}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sum_is_the_sum_of_its_blocks_in_order() {
        let depth = 2 * DEPTH_MAX + 76;
        let left: Vec<f32> = (0..3 * depth).map(|i| (i % 17) as f32 * 0.37 - 2.0).collect();
        let right: Vec<f32> = (0..depth * 2).map(|i| (i % 23) as f32 * 0.11 - 1.0).collect();
        let mut out = vec![1.0; 6];
        let product = Product { rows: 3, columns: 2, depth, adds: true };
        multiply(
            product,
            &mut MatrixMut { values: &mut out, row_stride: 2, column_stride: 1 },
            Matrix { values: &left, row_stride: depth, column_stride: 1 },
            Matrix { values: &right, row_stride: 2, column_stride: 1 },
        );
        for (index, &value) in out.iter().enumerate() {
            let (row, column) = (index / 2, index % 2);
            let exact: f64 =
                (0..depth).map(|k| f64::from(left[row * depth + k]) * f64::from(right[k * 2 + column])).sum();
            assert!((f64::from(value) - 1.0 - exact).abs() < 1e-3, "{value} is not {exact} + 1");
        }
    }
}
