//! What a training costs, in floating-point operations.
