//! The state of a task and the time at which it began, in one word.

use super::reading::Outcome;
use asynctop_snapshot::State;

const STATE_BITS: u32 = 4;
const STATE_MASK: u64 = (1 << STATE_BITS) - 1;

/// Nothing lives here.
pub(super) const VACANT: u64 = 0;
/// Scheduled, and the wake that did it (if any) is already in `wakes`.
pub(super) const SCHEDULED: u64 = 1;
/// Scheduled by a wake that the next poll has still to count.
pub(super) const WOKEN: u64 = 2;
pub(super) const POLLING: u64 = 3;
/// Woken while polling, which the end of the poll has still to count.
pub(super) const POLLING_WOKEN: u64 = 4;
pub(super) const IDLE: u64 = 5;
/// Never polled, and no task of its own: nobody has woken it, nobody could.
pub(super) const CREATED: u64 = 6;
pub(super) const COMPLETED: u64 = 7;
pub(super) const CANCELLED: u64 = 8;
pub(super) const PANICKED: u64 = 10;
/// The future is being dropped, outside of a poll and before it returned.
pub(super) const DROPPING: u64 = 11;
/// Idle, and about to be polled because the watchdog has requested its await point: that poll is
/// traced.
pub(super) const ASKED: u64 = 9;
/// As `ASKED`, and then woken by a waker: the next poll is traced, and counted like any other.
pub(super) const ASKED_WOKEN: u64 = 12;
/// Idle, and about to be polled because the await point of a nested future was requested.
pub(super) const NUDGED: u64 = 13;
/// Idle, apart from a running poll that the watchdog has caused.
pub(super) const PROBED: u64 = 14;
/// As `PROBED`, and woken by a waker during that poll.
pub(super) const PROBED_WOKEN: u64 = 15;

#[inline(always)]
pub(super) const fn pack(state: u64, since: u64) -> u64 {
    since << STATE_BITS | state
}

#[inline(always)]
pub(super) const fn unpack(word: u64) -> (u64, u64) {
    (word & STATE_MASK, word >> STATE_BITS)
}

#[inline(always)]
pub(super) const fn done(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Completed => COMPLETED,
        Outcome::Panicked => PANICKED,
    }
}

#[inline(always)]
pub(super) fn shown(state: u64) -> State {
    match state {
        POLLING | POLLING_WOKEN => State::Polling,
        IDLE | ASKED | NUDGED | PROBED | PROBED_WOKEN => State::Idle,
        CREATED => State::Created,
        DROPPING => State::Dropping,
        COMPLETED => State::Completed,
        CANCELLED => State::Cancelled,
        PANICKED => State::Panicked,
        _ => State::Scheduled,
    }
}
