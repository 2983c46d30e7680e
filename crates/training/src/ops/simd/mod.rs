//! Vectors of floats: one type for each instruction set, and which of them this machine has.
//!
//! The programs are built for every machine of an architecture and ask for its best set at
//! run time. All sets give the same bits: Rust neither reorders float operations nor fuses a
//! product with a sum by itself, and where [`Simd::mul_add`] fuses them, it rounds once, with
//! or without an instruction for it.

#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
pub(super) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// An instruction set with vectors of floats.
///
/// # Safety
/// All functions need a machine that has the set. Pointers need to be valid for
/// [`Simd::WIDTH`] values, one for [`Simd::splat`]; they need not be aligned.
pub(super) unsafe trait Simd {
    /// A vector.
    type Vector: Copy;
    /// Values of one vector: at most 16, a power of two.
    const WIDTH: usize;

    unsafe fn zero() -> Self::Vector;
    unsafe fn load(from: *const f32) -> Self::Vector;
    unsafe fn splat(from: *const f32) -> Self::Vector;
    unsafe fn store(to: *mut f32, vector: Self::Vector);
    unsafe fn add(one: Self::Vector, other: Self::Vector) -> Self::Vector;
    /// `one · other + sum`, rounded once.
    unsafe fn mul_add(one: Self::Vector, other: Self::Vector, sum: Self::Vector) -> Self::Vector;
    /// 0 where a value is 0 or less, else the value; not-a-number stays.
    unsafe fn rectified(vector: Self::Vector) -> Self::Vector;
}

/// An instruction set that this build knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// x86-64-v4.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// x86-64-v3: with fused products.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Every aarch64 has it.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Every machine; slow where it cannot fuse.
    Portable,
}

impl Level {
    /// All that this build knows, best first.
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
        Self::Portable,
    ];

    /// The best of this machine.
    #[inline]
    pub(super) fn best() -> Self {
        Self::of_this_machine().next().unwrap_or(Self::Portable)
    }

    /// Those that this machine has, best first.
    #[inline]
    pub(super) fn of_this_machine() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|level| level.is_here())
    }

    /// As a kind of device is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "x86-64-v4",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "x86-64-v3",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "aarch64-neon",
            Self::Portable if cfg!(target_arch = "x86_64") => "x86-64",
            Self::Portable => std::env::consts::ARCH,
        }
    }

    /// Asking is cheap: the answer is kept by the standard library.
    #[inline]
    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            Self::Portable => true,
        }
    }
}

/// Runs `body`, compiled for the widest vectors of this machine.
///
/// What `body` calls should be `#[inline(always)]`, or it stays narrow.
pub(super) fn wide<R>(body: impl FnOnce() -> R) -> R {
    match Level::best() {
        // SAFETY: the machine has the level.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::with_avx512(body) },
        // SAFETY: the machine has the level.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::with_avx2(body) },
        _ => body(),
    }
}
