//! What this machine's processor can do, measured: the ceiling that operators are held to.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::tile::{Finish, Left, Out, PANEL, Right, Start, Sums, sum_products};

/// Rows, panels and terms of a product that stays in a first-level cache: 18 KiB.
const ROWS: usize = 24;
const PANELS: usize = 2;
const TERMS: usize = 64;
/// How long a thread computes.
const TIME: Duration = Duration::from_millis(300);

/// Floating-point operations a second of all threads of the current pool together, in the
/// innermost loop of all products, with everything in the nearest cache. Takes a third of a
/// second.
#[must_use]
pub fn peak_flops_per_s() -> f64 {
    let threads = 0..rayon::current_num_threads();
    let product = 2.0 * (ROWS * PANELS * PANEL * TERMS) as f64;
    threads.into_par_iter().map(|_| products_per_s() * product).sum()
}

fn products_per_s() -> f64 {
    let left = vec![0.5; ROWS * TERMS];
    let right = vec![0.25; PANELS * TERMS * PANEL];
    let mut values = vec![0.0; ROWS * PANELS * PANEL];
    let rows: Vec<_> = (0..ROWS).map(|row| row * TERMS).collect();
    let results: Vec<_> = (0..ROWS).map(|row| row * PANELS * PANEL).collect();
    let sums = Sums {
        left: Left { values: &left, rows: &rows, runs: &[0], run_terms: TERMS, step: 1 },
        right: Right { values: &right, panel_step: TERMS * PANEL },
        start: Start::Zero,
        finish: Finish::Plain,
    };
    let (started, mut products) = (Instant::now(), 0_u32);
    while started.elapsed() < TIME {
        for _ in 0..64 {
            let values = &mut values;
            sum_products(
                std::hint::black_box(sums),
                &mut Out { values, rows: &results, columns: PANELS * PANEL },
            );
        }
        products += 64;
    }
    f64::from(products) / started.elapsed().as_secs_f64()
}
