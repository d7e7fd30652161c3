//! The state of a task and the time at which it began, in one word.

use super::reading::Outcome;
use asynctop_snapshot::State;

const STATE_BITS: u32 = 4;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;

/// The slot is vacant.
pub(super) const VACANT: u64 = 0;
/// Scheduled; the wake, if any, is already counted in `wakes`.
pub(super) const SCHEDULED: u64 = 1;
/// Scheduled by a wake that the next poll counts.
pub(super) const WOKEN: u64 = 2;
pub(super) const POLLING: u64 = 3;
/// Woken while polling; the end of the poll counts the wake.
pub(super) const POLLING_WOKEN: u64 = 4;
pub(super) const IDLE: u64 = 5;
/// A nested future that was never polled, so no waker of it exists.
pub(super) const CREATED: u64 = 6;
pub(super) const COMPLETED: u64 = 7;
pub(super) const CANCELLED: u64 = 8;
pub(super) const PANICKED: u64 = 10;
/// The future is being dropped, outside a poll and before it has completed.
pub(super) const DROPPING: u64 = 11;
/// Idle, and about to be polled for an await-point query of the watchdog. The poll is traced.
pub(super) const QUERIED: u64 = 9;
/// Woken after `QUERIED`: the next poll is traced, and counted like any other.
pub(super) const QUERIED_WOKEN: u64 = 12;
/// Idle, and about to be polled for the query of a nested future.
pub(super) const NESTED_QUERIED: u64 = 13;
/// Idle, apart from a running poll caused by the watchdog.
pub(super) const QUERY_POLLING: u64 = 14;
/// Woken during `QUERY_POLLING`.
pub(super) const QUERY_POLLING_WOKEN: u64 = 15;

#[inline(always)]
pub(super) const fn pack(state: u64, since: u64) -> u64 {
    since << STATE_BITS | state
}

#[inline(always)]
pub(super) const fn unpack(word: u64) -> (u64, u64) {
    (word & STATE_MASK, word >> STATE_BITS)
}

#[inline(always)]
pub(super) const fn final_state(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Completed => COMPLETED,
        Outcome::Panicked => PANICKED,
    }
}

#[inline(always)]
pub(super) fn public_state(state: u64) -> State {
    match state {
        POLLING | POLLING_WOKEN => State::Polling,
        IDLE | QUERIED | NESTED_QUERIED | QUERY_POLLING | QUERY_POLLING_WOKEN => State::Idle,
        CREATED => State::Created,
        DROPPING => State::Dropping,
        COMPLETED => State::Completed,
        CANCELLED => State::Cancelled,
        PANICKED => State::Panicked,
        _ => State::Scheduled,
    }
}
