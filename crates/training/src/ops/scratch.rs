//! Room for intermediate values that a thread uses again and again.

use std::cell::RefCell;

thread_local! {
    static SPARE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `body` zeros that belong to this thread. Calls may be nested.
pub(super) fn lend_zeros<R>(count: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffer.clear();
    buffer.resize(count, 0.0);
    let result = body(&mut buffer);
    SPARE.with_borrow_mut(|spare| spare.push(buffer));
    result
}
