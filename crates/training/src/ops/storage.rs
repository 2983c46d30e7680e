//! Reading and writing the floats of a candle tensor in a custom op.

use candle_core::{CpuStorage, Layout, Result, bail};

/// The values of a contiguous f32 tensor.
///
/// # Errors
/// When the tensor is strided or of another type: only a bug in the caller can do that.
pub(crate) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("an operator needs contiguous tensors")
    };
    match storage {
        CpuStorage::F32(values) => Ok(&values[start..end]),
        other => bail!("an operator needs f32 tensors, not {other:?}"),
    }
}

/// The values of a contiguous f32 tensor, to be changed in place.
///
/// # Errors
/// As [`values`].
pub(crate) fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("an operator needs contiguous tensors")
    };
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[start..end]),
        other => bail!("an operator needs f32 tensors, not {other:?}"),
    }
}
