//! Labels beside line ends: as near as possible, never on each other.

/// Moves labels apart.
///
/// - `wanted`: where each would like to be, in pixels
/// - `gap`: the least distance between two
/// - `limits`: the least and the greatest position
///
/// Returns a position for each, in the order given. Labels keep their vertical order; a
/// crowd is centred on its members' wishes.
pub(super) fn spread(wanted: &[f64], gap: f64, limits: [f64; 2]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&one, &two| wanted[one].total_cmp(&wanted[two]).then(one.cmp(&two)));
    let mut crowds: Vec<Crowd> = Vec::new();
    for (position, &label) in order.iter().enumerate() {
        crowds.push(Crowd { first: position, count: 1, centre: wanted[label] }.within(gap, limits));
        while let [.., above, below] = crowds.as_slice() {
            if above.end(gap) + gap <= below.start(gap) {
                break;
            }
            let merged = above.merge(below).within(gap, limits);
            crowds.truncate(crowds.len() - 2);
            crowds.push(merged);
        }
    }
    let mut positions = vec![0.0; wanted.len()];
    for crowd in crowds {
        for offset in 0..crowd.count {
            positions[order[crowd.first + offset]] = crowd.start(gap) + offset as f64 * gap;
        }
    }
    positions
}

/// Neighbouring labels that stand as close as they may.
struct Crowd {
    first: usize,
    count: usize,
    centre: f64,
}

impl Crowd {
    fn half_height(&self, gap: f64) -> f64 {
        (self.count - 1) as f64 * gap / 2.0
    }

    fn start(&self, gap: f64) -> f64 {
        self.centre - self.half_height(gap)
    }

    fn end(&self, gap: f64) -> f64 {
        self.centre + self.half_height(gap)
    }

    fn merge(&self, below: &Self) -> Self {
        let count = self.count + below.count;
        let sum = self.centre * self.count as f64 + below.centre * below.count as f64;
        Self { first: self.first, count, centre: sum / count as f64 }
    }

    fn within(self, gap: f64, [least, greatest]: [f64; 2]) -> Self {
        let half = self.half_height(gap);
        let centre = self.centre.min(greatest - half).max(least + half);
        Self { centre, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(spread(&[50.0, 10.0], 15.0, [0.0, 100.0]), [50.0, 10.0]);
    }

    #[test]
    fn a_crowd_is_centred_and_keeps_its_order() {
        assert_eq!(spread(&[52.0, 50.0, 48.0], 10.0, [0.0, 100.0]), [60.0, 50.0, 40.0]);
    }

    #[test]
    fn no_label_leaves_the_panel() {
        assert_eq!(spread(&[99.0, 100.0, 2.0], 10.0, [5.0, 95.0]), [85.0, 95.0, 5.0]);
    }
}
