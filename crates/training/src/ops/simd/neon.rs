//! NEON, the instruction set of every aarch64.

#![allow(unsafe_code)]

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vbicq_u32, vclezq_f32, vdupq_n_f32, vfmaq_f32, vld1q_dup_f32, vld1q_f32,
    vreinterpretq_f32_u32, vreinterpretq_u32_f32, vst1q_f32,
};

use super::Simd;

/// Four values.
pub(in super::super) struct Neon;

// SAFETY: each function is one instruction of the set, on unaligned values.
unsafe impl Simd for Neon {
    type Vector = float32x4_t;
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: every aarch64 has the set.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        // SAFETY: the caller has four values there.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> float32x4_t {
        // SAFETY: the caller has a value there.
        unsafe { vld1q_dup_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: float32x4_t) {
        // SAFETY: the caller has room for four values.
        unsafe { vst1q_f32(to, vector) }
    }

    #[inline(always)]
    unsafe fn add(one: float32x4_t, other: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 has the set.
        unsafe { vaddq_f32(one, other) }
    }

    #[inline(always)]
    unsafe fn mul_add(one: float32x4_t, other: float32x4_t, sum: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 has the set.
        unsafe { vfmaq_f32(sum, one, other) }
    }

    #[inline(always)]
    unsafe fn rectified(vector: float32x4_t) -> float32x4_t {
        // SAFETY: every aarch64 has the set.
        unsafe { vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(vector), vclezq_f32(vector))) }
    }
}
