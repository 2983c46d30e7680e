//! The instruction sets of x86-64: AVX2 with fused products, and AVX-512.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m256, __m512, _CMP_LE_OQ, _CMP_NLE_UQ, _mm256_add_ps, _mm256_andnot_ps, _mm256_cmp_ps, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_add_ps, _mm512_cmp_ps_mask,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_mov_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

use super::Simd;

/// Eight values.
pub(in super::super) struct Avx2;

/// Sixteen values.
pub(in super::super) struct Avx512;

/// Runs `body`, compiled for AVX2.
#[target_feature(enable = "avx2,fma")]
pub(super) fn with_avx2<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// Runs `body`, compiled for AVX-512.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn with_avx512<R>(body: impl FnOnce() -> R) -> R {
    body()
}

// SAFETY: each function is one instruction of the set, on unaligned values.
unsafe impl Simd for Avx2 {
    type Vector = __m256;
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller has the set.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller has the set and eight values there.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> __m256 {
        // SAFETY: the caller has the set and a value there.
        unsafe { _mm256_set1_ps(*from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: __m256) {
        // SAFETY: the caller has the set and room for eight values.
        unsafe { _mm256_storeu_ps(to, vector) }
    }

    #[inline(always)]
    unsafe fn add(one: __m256, other: __m256) -> __m256 {
        // SAFETY: the caller has the set.
        unsafe { _mm256_add_ps(one, other) }
    }

    #[inline(always)]
    unsafe fn mul_add(one: __m256, other: __m256, sum: __m256) -> __m256 {
        // SAFETY: the caller has the set.
        unsafe { _mm256_fmadd_ps(one, other, sum) }
    }

    #[inline(always)]
    unsafe fn rectified(vector: __m256) -> __m256 {
        // SAFETY: the caller has the set.
        unsafe {
            let is_cleared = _mm256_cmp_ps::<_CMP_LE_OQ>(vector, _mm256_setzero_ps());
            _mm256_andnot_ps(is_cleared, vector)
        }
    }
}

// SAFETY: each function is one instruction of the set, on unaligned values.
unsafe impl Simd for Avx512 {
    type Vector = __m512;
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller has the set.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller has the set and sixteen values there.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> __m512 {
        // SAFETY: the caller has the set and a value there.
        unsafe { _mm512_set1_ps(*from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: __m512) {
        // SAFETY: the caller has the set and room for sixteen values.
        unsafe { _mm512_storeu_ps(to, vector) }
    }

    #[inline(always)]
    unsafe fn add(one: __m512, other: __m512) -> __m512 {
        // SAFETY: the caller has the set.
        unsafe { _mm512_add_ps(one, other) }
    }

    #[inline(always)]
    unsafe fn mul_add(one: __m512, other: __m512, sum: __m512) -> __m512 {
        // SAFETY: the caller has the set.
        unsafe { _mm512_fmadd_ps(one, other, sum) }
    }

    #[inline(always)]
    unsafe fn rectified(vector: __m512) -> __m512 {
        // SAFETY: the caller has the set.
        unsafe {
            let is_kept = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(vector, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(is_kept, vector)
        }
    }
}
