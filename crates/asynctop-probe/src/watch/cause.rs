//! The cause of a long poll: how its thread spent the time, as sampled from outside.

use super::{Cause, SystemCall};

/// The shortest interval, in ns, over which CPU time shows whether a thread computes.
pub(super) const WINDOW_NS: u64 = 1_000_000;

/// The activity of a thread as sampled from outside.
#[allow(dead_code, reason = "on an unsupported platform only Unreadable occurs")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// On the CPU, or runnable.
    Running,
    /// Blocked in a system call.
    Call(SystemCall),
    /// Blocked, but not in a system call.
    Blocked,
    /// Not reported by the operating system, with the reason.
    Unreadable(&'static str),
}

/// How a thread spent `wall` nanoseconds, `cpu` of them on the CPU if that is known. `activity` was
/// sampled at the end.
pub(super) fn cause_of(wall: u64, cpu: Option<u64>, activity: Activity) -> Cause {
    // Half is enough: on a machine with more work than CPUs no thread gets all of the time.
    let computed = cpu.is_some_and(|cpu| cpu >= wall / 2);
    match activity {
        _ if computed => Cause::Computing,
        Activity::Call(call) => Cause::Call(call),
        Activity::Blocked => Cause::PageFault,
        Activity::Running if cpu.is_some_and(|cpu| cpu < wall / 10) => Cause::NoCpu,
        Activity::Running => Cause::Computing,
        Activity::Unreadable(why) => Cause::Unknown(why.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asynctop_snapshot::CallKind;

    #[test]
    fn cpu_time_has_precedence_over_the_sampled_activity() {
        let fsync = SystemCall { number: 74, name: Some("fsync".into()), kind: CallKind::Other };
        let blocked = Activity::Call(fsync.clone());
        assert_eq!(cause_of(100, Some(90), blocked.clone()), Cause::Computing);
        assert_eq!(cause_of(100, Some(5), blocked.clone()), Cause::Call(fsync.clone()));
        assert_eq!(cause_of(100, None, blocked), Cause::Call(fsync));
        assert_eq!(cause_of(100, Some(30), Activity::Running), Cause::Computing);
        assert_eq!(cause_of(100, Some(1), Activity::Running), Cause::NoCpu);
        assert_eq!(cause_of(100, None, Activity::Running), Cause::Computing);
        assert_eq!(cause_of(100, Some(0), Activity::Blocked), Cause::PageFault);
        let unreadable = Activity::Unreadable("not readable");
        assert_eq!(cause_of(100, Some(0), unreadable), Cause::Unknown("not readable".into()));
    }
}
