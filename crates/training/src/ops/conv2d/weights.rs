//! The weights of a convolution as matrices, in the order of a patch.
//!
//! At rest weights are `[O, C/G, K, K]`; a patch of a channels-last image goes by kernel
//! row, kernel column, channel. Weights are few, so they are put in order at every use.

use crate::ops::patches::Geometry;

/// The weights of one group as a matrix, `[fan-in, outputs]`, its rows in the order of a
/// patch: kernel row, kernel column, channel.
pub(super) fn rows_by_input(geometry: Geometry, weight: &[f32], group: usize) -> Vec<f32> {
    let (outputs, fan_in) = (geometry.group_outputs(), geometry.fan_in());
    let mut matrix = vec![0.0; fan_in * outputs];
    for_each_weight(geometry, group, |output, input, index| matrix[input * outputs + output] = weight[index]);
    matrix
}

/// The same, transposed: `[outputs, fan-in]`.
pub(super) fn rows_by_output(geometry: Geometry, weight: &[f32], group: usize) -> Vec<f32> {
    let (outputs, fan_in) = (geometry.group_outputs(), geometry.fan_in());
    let mut matrix = vec![0.0; outputs * fan_in];
    for_each_weight(geometry, group, |output, input, index| matrix[output * fan_in + input] = weight[index]);
    matrix
}

/// Calls `visit(output of the group, input of the patch, index in [O, C/G, K, K])`.
pub(super) fn for_each_weight(geometry: Geometry, group: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (area, channels) = (geometry.kernel * geometry.kernel, geometry.group_channels());
    for output in 0..geometry.group_outputs() {
        let first = (group * geometry.group_outputs() + output) * geometry.fan_in();
        for channel in 0..channels {
            for position in 0..area {
                visit(output, position * channels + channel, first + channel * area + position);
            }
        }
    }
}
