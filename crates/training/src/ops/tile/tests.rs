//! Sums of products against the sums term by term.

use super::*;

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 + seed * 104_729) % 99_991) as f32 / 50_000.0 - 1.0).collect()
}

/// All levels of this machine against the sum term by term.
#[test]
fn every_level_gives_the_bits_of_the_fused_sum_in_order() {
    for (row_count, columns, runs, run_terms, step) in
        [(1, 1, 1, 1, 1), (13, 16, 3, 5, 2), (6, 33, 2, 40, 1), (9, 24, 4, 3, 3), (2, 48, 1, 129, 1)]
    {
        let panels = usize::div_ceil(columns, PANEL);
        let terms = runs * run_terms;
        let left = numbers(4000, 1);
        let right = numbers(panels * terms * PANEL, 2);
        let rows: Vec<_> = (0..row_count).map(|row| row * 17 % 90).collect();
        let runs: Vec<_> = (0..runs).map(|run| run * 211).collect();
        let out_rows: Vec<_> = (0..row_count).map(|row| row * (columns + 3)).collect();
        let bias = numbers(panels * PANEL, 3);
        for start in [Start::Zero, Start::Columns(&bias)] {
            for finish in [Finish::Plain, Finish::Rectified, Finish::Added] {
                let sums = Sums {
                    left: Left { values: &left, rows: &rows, runs: &runs, run_terms, step },
                    right: Right { values: &right, panel_step: terms * PANEL },
                    start,
                    finish,
                };
                let before = numbers(row_count * (columns + 3), 4);
                let expected = term_by_term(sums, &out_rows, columns, &before);
                for level in Level::of_this_machine() {
                    let mut values = before.clone();
                    let mut out = Out { values: &mut values, rows: &out_rows, columns };
                    sum_products_with(level, sums, &mut out);
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&values), bits(&expected), "{level:?} {row_count} {columns}");
                }
            }
        }
    }
}

fn term_by_term(sums: Sums<'_>, out_rows: &[usize], columns: usize, before: &[f32]) -> Vec<f32> {
    let Sums { left, right, start, finish } = sums;
    let mut out = before.to_vec();
    for (&row, &out_row) in left.rows.iter().zip(out_rows) {
        for column in 0..columns {
            let mut sum = match start {
                Start::Zero => 0.0,
                Start::Columns(values) => values[column],
            };
            let panel = column / PANEL * right.panel_step + column % PANEL;
            for (index, &run) in left.runs.iter().enumerate() {
                for term in 0..left.run_terms {
                    let value = left.values[row + run + term * left.step];
                    let other = right.values[panel + (index * left.run_terms + term) * PANEL];
                    sum = value.mul_add(other, sum);
                }
            }
            let out = &mut out[out_row + column];
            *out = match finish {
                Finish::Rectified if sum <= 0.0 => 0.0,
                Finish::Plain | Finish::Rectified => sum,
                Finish::Added => *out + sum,
            };
        }
    }
    out
}

/// Sums over operands of 32 values: two rows, one run of two terms, one panel.
fn sum_small(rows: [usize; 2], results: [usize; 2], panel_step: usize, columns: usize) {
    let (left, right) = (numbers(32, 1), numbers(32, 2));
    let left = Left { values: &left, rows: &rows, runs: &[0], run_terms: 2, step: 1 };
    let sums = Sums::added(left, Right { values: &right, panel_step });
    sum_products(sums, &mut Out { values: &mut numbers(32, 3), rows: &results, columns });
}

#[test]
fn operands_that_reach_to_their_ends_are_taken() {
    sum_small([0, 30], [0, 16], 0, 16);
}

#[test]
#[should_panic(expected = "the left operand has no element 32")]
fn a_row_beyond_the_left_operand_is_refused() {
    sum_small([0, 31], [0, 16], 0, 16);
}

#[test]
#[should_panic(expected = "the left operand has no element")]
fn a_row_that_would_wrap_around_is_refused() {
    sum_small([0, usize::MAX], [0, 16], 0, 16);
}

#[test]
#[should_panic(expected = "the right operand has no element 48")]
fn a_panel_beyond_the_right_operand_is_refused() {
    sum_small([0, 1], [0, 16], 16, 17);
}

#[test]
#[should_panic(expected = "the result has no element 33")]
fn a_row_beyond_the_result_is_refused() {
    sum_small([0, 1], [0, 17], 0, 16);
}
