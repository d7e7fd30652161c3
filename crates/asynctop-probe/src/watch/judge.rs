//! Why a thread spent its time, from what is seen from outside.

use super::{Cause, SystemCall};

/// The shortest interval, in ns, over which CPU time shows whether a thread computes.
pub(super) const WINDOW_NS: u64 = 1_000_000;

/// The activity of a thread as sampled from outside.
#[allow(dead_code, reason = "on an unsupported platform only Unreadable occurs")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// On the CPU, or ready for it.
    Running,
    /// Blocked in a system call.
    Call(SystemCall),
    /// Blocked, but not in a system call.
    Blocked,
    /// The operating system does not say, and why.
    Unreadable(&'static str),
}

/// Why a thread spent `wall` nanoseconds, `cpu` of them on the CPU if that is known,
/// when a sample at the end of them found it in `now`.
pub(super) fn judge(wall: u64, cpu: Option<u64>, now: Whereabouts) -> Cause {
    // Half is enough: on a machine with more work than CPUs no thread gets it all.
    let computed = cpu.is_some_and(|cpu| cpu >= wall / 2);
    match now {
        _ if computed => Cause::Computing,
        Whereabouts::Call(call) => Cause::Call(call),
        Whereabouts::Blocked => Cause::PageFault,
        Whereabouts::Running if cpu.is_some_and(|cpu| cpu < wall / 10) => Cause::NoCpu,
        Whereabouts::Running => Cause::Computing,
        Whereabouts::Unreadable(why) => Cause::Unknown(why.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asynctop_snapshot::CallKind;

    #[test]
    fn time_on_the_cpu_outweighs_a_sample_and_a_sample_outweighs_nothing() {
        let fsync = SystemCall { number: 74, name: Some("fsync".into()), kind: CallKind::Other };
        let blocked = Whereabouts::Call(fsync.clone());
        assert_eq!(judge(100, Some(90), blocked.clone()), Cause::Computing);
        assert_eq!(judge(100, Some(5), blocked.clone()), Cause::Call(fsync.clone()));
        assert_eq!(judge(100, None, blocked), Cause::Call(fsync));
        assert_eq!(judge(100, Some(30), Whereabouts::Running), Cause::Computing);
        assert_eq!(judge(100, Some(1), Whereabouts::Running), Cause::NoCpu);
        assert_eq!(judge(100, None, Whereabouts::Running), Cause::Computing);
        assert_eq!(judge(100, Some(0), Whereabouts::Blocked), Cause::PageFault);
        let unreadable = Whereabouts::Unreadable("no /proc");
        assert_eq!(judge(100, Some(0), unreadable), Cause::Unknown("no /proc".into()));
    }
}
