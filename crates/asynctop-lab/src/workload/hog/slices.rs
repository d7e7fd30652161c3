//! Fixes that stay on the worker: the work in slices, with a yield after each.

use std::time::Duration;

use asynctop_probe::stage;
use tokio::task::{coop, yield_now};

use super::{Burst, spin};
use crate::hog::HogControl;

/// Short enough to go unnoticed by other tasks.
const SLICE: Duration = Duration::from_micros(100);
/// The work per unit of Tokio's cooperative budget, which is 128 units per poll.
const BUDGETED_SLICE: Duration = Duration::from_micros(10);

/// Yields after each slice.
pub(super) async fn with_yields(control: &HogControl) {
    stage("computes in slices");
    let mut burst = Burst::new(control);
    while !burst.is_over() {
        spin(&mut burst, SLICE);
        yield_now().await;
    }
}

/// Yields when the budget of the poll is used up.
pub(super) async fn within_budget(control: &HogControl) {
    stage("computes within its budget");
    let mut burst = Burst::new(control);
    while !burst.is_over() {
        spin(&mut burst, BUDGETED_SLICE);
        coop::consume_budget().await;
    }
}
