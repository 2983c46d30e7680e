//! Compiling a loop for the widest vectors that the machine has.
//!
//! The programs are built for every x86-64 machine; loops over floats deserve AVX. A body
//! handed to [`wide`] is compiled once for each instruction-set level and the best is taken
//! at run time. Rust neither reorders float operations nor fuses a product with a sum, so
//! every level gives the same bits.

/// Runs `body`, compiled for the widest vectors of this machine.
///
/// What `body` calls should be `#[inline(always)]`, or it stays narrow.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub(super) fn wide<R>(body: impl FnOnce() -> R) -> R {
    if has_avx512() {
        // SAFETY: the machine has what the function is compiled for; it was asked just now.
        return unsafe { with_avx512(body) };
    }
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the machine has what the function is compiled for; it was asked just now.
        return unsafe { with_avx2(body) };
    }
    body()
}

/// Runs `body`; other machines than x86-64 have one level.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn wide<R>(body: impl FnOnce() -> R) -> R {
    body()
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vl")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn with_avx512<R>(body: impl FnOnce() -> R) -> R {
    body()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<R>(body: impl FnOnce() -> R) -> R {
    body()
}
