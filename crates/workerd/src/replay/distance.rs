//! How far a network's weights are from another's, layer by layer.

use selffer_core::replay::LayerDistance;
use selffer_training::Checkpoint;

/// How far each layer is from the recorded one: for each, the largest difference of two values
/// of weight or bias as a share of the largest recorded one. Layers of other shapes, or whose
/// values are no numbers, are as far as a number can tell.
pub(super) fn of_layers(recorded: &Checkpoint, replayed: &Checkpoint) -> Vec<LayerDistance> {
    let layers = recorded.layers.iter().zip(&replayed.layers).map(|(recorded, replayed)| {
        let (one, other) = (&recorded.parameters, &replayed.parameters);
        let values = [(&one.weight.values, &other.weight.values), (&one.bias.values, &other.bias.values)];
        let relative = if one.has_shapes_of(other) { relative(values) } else { f64::MAX };
        LayerDistance { layer: recorded.name.clone(), relative }
    });
    layers.collect()
}

fn relative(values: [(&Vec<f32>, &Vec<f32>); 2]) -> f64 {
    let (mut apart, mut largest) = (0.0_f64, 0.0_f64);
    for (recorded, replayed) in values.into_iter().flat_map(|(one, other)| one.iter().zip(other)) {
        let difference = (f64::from(*replayed) - f64::from(*recorded)).abs();
        if !difference.is_finite() {
            return f64::MAX;
        }
        apart = apart.max(difference);
        largest = largest.max(f64::from(*recorded).abs());
    }
    if apart == 0.0 { 0.0 } else { (apart / largest).min(f64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_as_far_as_its_farthest_value_beside_its_largest() {
        let distance = |recorded: [f32; 2], replayed: [f32; 2], bias: f32| {
            relative([(&recorded.to_vec(), &replayed.to_vec()), (&vec![1.0], &vec![bias])])
        };
        assert_eq!(distance([0.5, -4.0], [0.5, -4.0], 1.0), 0.0);
        assert_eq!(distance([0.5, -4.0], [0.25, -4.0], 1.0), 0.0625);
        assert_eq!(distance([0.5, -4.0], [0.5, -4.0], 3.0), 0.5, "a bias counts");
        assert_eq!(distance([0.5, -4.0], [f32::NAN, -4.0], 1.0), f64::MAX);
        assert_eq!(relative([(&vec![0.0], &vec![1.0]), (&vec![], &vec![])]), f64::MAX);
    }
}
