//! Fixes that stay on the worker: the work in slices, with a yield after each.

use std::time::Duration;

use asynctop_probe::stage;
use tokio::task::{coop, yield_now};

use super::{Round, spin};
use crate::hog::Orders;

/// Short enough that whoever waits meanwhile does not notice.
const SLICE: Duration = Duration::from_micros(100);
/// One unit of Tokio's budget each, of which a poll has 128.
const PIECE: Duration = Duration::from_micros(10);

/// Gives way after each slice.
pub(super) async fn yielding(orders: &Orders) {
    stage("computes in slices");
    let mut round = Round::begin(orders);
    while !round.is_over() {
        spin(&mut round, SLICE);
        yield_now().await;
    }
}

/// Gives way when the budget of its poll is used up.
pub(super) async fn within_budget(orders: &Orders) {
    stage("computes within its budget");
    let mut round = Round::begin(orders);
    while !round.is_over() {
        spin(&mut round, PIECE);
        coop::consume_budget().await;
    }
}
