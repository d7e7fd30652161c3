//! How much of a long poll was its own doing: on a busy machine a thread waits for a CPU, and
//! that is nobody's crime.

use super::{Cause, eyes::time_without_cpu};

const MS: u64 = 1_000_000;
/// A first look comes so soon after a poll began, unless the machine is in trouble.
const FIRST_NS: u64 = 50 * MS;

/// What a thread had got of the machine at the looks before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Supply {
    /// Its CPU time at the last look.
    cpu: Option<u64>,
    /// For how long it had been ready and waited for a CPU, a while ago.
    lacked: Option<u64>,
    /// When `lacked` was read, which costs more than a look at the clock.
    lacked_at: u64,
}

impl Supply {
    /// So often the time that a thread lacked a CPU is read.
    const EVERY_NS: u64 = 100 * MS;

    /// Takes note of how it stands; gives what was known before.
    pub(super) fn renew(&mut self, os_id: Option<u32>, cpu: Option<u64>, now: u64) -> Supply {
        let before = *self;
        self.cpu = cpu;
        if now.saturating_sub(self.lacked_at) >= Self::EVERY_NS {
            (self.lacked, self.lacked_at) = (os_id.and_then(time_without_cpu), now);
        }
        before
    }

    /// What it has got on a CPU until it had `cpu`, and for how long it lacked one until now.
    pub(super) fn until(&self, os_id: u32, cpu: Option<u64>) -> (Option<u64>, u64) {
        let lacked = since(time_without_cpu(os_id), self.lacked);
        (since(cpu, self.cpu), lacked.unwrap_or(0))
    }
}

fn since(now: Option<u64>, then: Option<u64>) -> Option<u64> {
    Some(now?.saturating_sub(then?))
}

/// Of the time from a poll's beginning to the first look at it, how much is known of, and how
/// much was the poll's own doing. A thread that is found waiting has probably waited all the
/// time; one that is found computing had the CPU for no longer than the thread had it since
/// the look before. For as long as the thread lacked a CPU since then, it may have done so in
/// this poll.
pub(super) fn own_at_first(cause: Cause, age: u64, cpu: Option<u64>, lacked: u64) -> (u64, u64) {
    let most = age.saturating_sub(lacked);
    match (cause, cpu) {
        (Cause::Call(_) | Cause::PageFault, _) => (age.min(FIRST_NS), most.min(FIRST_NS)),
        (Cause::Computing, Some(cpu)) => (age, cpu.min(most)),
        // Another poll may have had the CPU then.
        (Cause::Computing | Cause::NoCpu | Cause::Unknown(_), _) => (0, 0),
    }
}

/// Of the time between two looks at a poll, how much is known of, and how much was the poll's
/// own doing.
pub(super) fn own(cause: Cause, wall: u64, cpu: Option<u64>) -> (u64, u64) {
    match (cause, cpu) {
        (Cause::Call(_) | Cause::PageFault | Cause::Unknown(_), _) => (wall, wall),
        (Cause::Computing | Cause::NoCpu, Some(cpu)) => (wall, cpu.min(wall)),
        (Cause::Computing | Cause::NoCpu, None) => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::{CallKind, SystemCall};

    #[test]
    fn who_only_waited_for_a_cpu_has_done_nothing() {
        let of = |age, cpu, lacked| own_at_first(Cause::Computing, age * MS, cpu, lacked * MS).1;
        assert_eq!(of(20, Some(20 * MS), 0), 20 * MS, "it had the CPU all the time");
        assert_eq!(of(20, Some(5 * MS), 0), 5 * MS, "it had no more of it");
        assert_eq!(of(20, Some(20 * MS), 19), MS, "others had it, and it waited");
        assert_eq!(of(20, Some(20 * MS), 500), 0, "it has waited before, too");
        assert_eq!(own_at_first(Cause::Computing, 20 * MS, None, 0), (0, 0), "nobody knows");
        assert_eq!(own_at_first(Cause::NoCpu, 20 * MS, Some(20 * MS), 0), (0, 0));
    }

    #[test]
    fn who_waits_in_a_call_has_waited_there_but_for_the_time_without_a_cpu() {
        let call =
            Cause::Call(SystemCall { number: 202, name: Some("futex"), kind: CallKind::Lock });
        assert_eq!(own_at_first(call, 30 * MS, Some(0), 0), (30 * MS, 30 * MS));
        assert_eq!(own_at_first(call, 30 * MS, Some(0), 29 * MS), (30 * MS, MS));
        assert_eq!(own_at_first(call, 900 * MS, Some(0), 0), (FIRST_NS, FIRST_NS));
    }
}
