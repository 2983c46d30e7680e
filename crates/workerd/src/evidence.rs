//! What the words of an error or a log are evidence of: memory, a full disk, a broken device.
//!
//! Only words that say it: an exit status or a kill alone proves none of these. The words of
//! CUDA are those of its driver API (`cuda.h`), as candle passes them on; the kernel's are those
//! of NVIDIA's driver ("NVRM: Xid", see its Xid catalogue).

use selffer_core::job::{Failure, FailureClass};

/// A device that is broken: no attempt on it can be trusted to work.
const HARDWARE: [&str; 8] = [
    "cuda_error_ecc_uncorrectable",
    "uncorrectable ecc error",
    "cuda_error_nvlink_uncorrectable",
    "cuda_error_hardware_stack_error",
    "cuda_error_device_unavailable",
    "fallen off the bus",
    "nvrm: xid",
    "gpu is lost",
];
/// No memory, on the device or on the host.
const OUT_OF_MEMORY: [&str; 6] = [
    "cuda_error_out_of_memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "cuda out of memory",
    "memory allocation of ",
    "cannot allocate memory (os error 12)",
];
/// No room on a disk.
const DISK_FULL: [&str; 2] = ["no space left on device (os error 28)", "quota exceeded (os error 122)"];

/// The class that these words prove, if any.
#[must_use]
pub fn class_told_by(words: &str) -> Option<FailureClass> {
    let words = words.to_lowercase();
    let tells = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    // A broken device often says that its memory is gone as well.
    if tells(&HARDWARE) {
        Some(FailureClass::Hardware)
    } else if tells(&OUT_OF_MEMORY) {
        Some(FailureClass::OutOfMemory)
    } else if tells(&DISK_FULL) {
        Some(FailureClass::Infrastructure)
    } else {
        None
    }
}

/// The failure under the class that its own words prove. What makes no sense or did not
/// converge stays that, whatever else is said.
#[must_use]
pub fn judged(failure: Failure) -> Failure {
    use FailureClass::{Infrastructure, TrainerError};
    let told = match failure.class {
        TrainerError | Infrastructure => class_told_by(&failure.message),
        _ => None,
    };
    Failure { class: told.unwrap_or(failure.class), ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_messages_are_told_apart() {
        let cases = [
            // candle 0.9 on a device without room, as it wraps cudarc's error.
            (r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#, Some(FailureClass::OutOfMemory)),
            ("CublasError(CUBLAS_STATUS_ALLOC_FAILED)", Some(FailureClass::OutOfMemory)),
            // Rust's allocator before it aborts, and the system's own word.
            ("memory allocation of 17179869184 bytes failed", Some(FailureClass::OutOfMemory)),
            ("cannot map a shard: Cannot allocate memory (os error 12)", Some(FailureClass::OutOfMemory)),
            (
                r#"DriverError(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered")"#,
                Some(FailureClass::Hardware),
            ),
            (
                "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.",
                Some(FailureClass::Hardware),
            ),
            ("Unable to determine the device handle: GPU is lost", Some(FailureClass::Hardware)),
            (
                "cannot hand over the checkpoint of iteration 9: cannot write c/1: No space left on device (os error 28)",
                Some(FailureClass::Infrastructure),
            ),
            ("Disk quota exceeded (os error 122)", Some(FailureClass::Infrastructure)),
            // A mistake of ours in a kernel, and words that only sound like evidence.
            (r#"DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")"#, None),
            ("index is 3 but the memory of it is out of date", None),
            ("thread 'main' panicked at src/a.rs:1:2", None),
        ];
        for (words, class) in cases {
            assert_eq!(class_told_by(words), class, "{words}");
        }
    }

    #[test]
    fn words_never_turn_a_diverged_or_invalid_job_into_another() {
        let failure = |class| Failure { class, message: "CUDA_ERROR_OUT_OF_MEMORY".into() };
        let judged = |class| judged(failure(class)).class;
        assert_eq!(judged(FailureClass::TrainerError), FailureClass::OutOfMemory);
        assert_eq!(judged(FailureClass::Diverged), FailureClass::Diverged);
        assert_eq!(judged(FailureClass::Invalid), FailureClass::Invalid);
    }
}
