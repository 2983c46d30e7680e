//! No instruction set in particular: what the compiler makes of four floats.

#![allow(unsafe_code)]

use super::Simd;
use crate::ops::relu::rectified;

/// Four values.
pub(in super::super) struct Portable;

// SAFETY: four values are read or written where the caller has them.
unsafe impl Simd for Portable {
    type Vector = [f32; 4];
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> [f32; 4] {
        [0.0; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 4] {
        // SAFETY: the caller has four values there.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> [f32; 4] {
        // SAFETY: the caller has a value there.
        unsafe { [*from; 4] }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: [f32; 4]) {
        // SAFETY: the caller has room for four values.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn add(one: [f32; 4], other: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| one[lane] + other[lane])
    }

    #[inline(always)]
    unsafe fn mul_add(one: [f32; 4], other: [f32; 4], sum: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| one[lane].mul_add(other[lane], sum[lane]))
    }

    #[inline(always)]
    unsafe fn rectified(vector: [f32; 4]) -> [f32; 4] {
        vector.map(rectified)
    }
}
