//! Why a poll is long: its thread computes, or it waits, and for what.

use std::fmt;

/// The shortest interval, in ns, over which CPU time shows whether a thread computes.
#[cfg(feature = "watch")]
pub(super) const WINDOW_NS: u64 = 1_000_000;

/// What a thread was doing over a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// On the CPU.
    Computing,
    /// It would compute, and the machine gave it hardly any CPU.
    NoCpu,
    /// Off the CPU, in the kernel, without a system call: a page comes from the disk.
    PageFault,
    /// Off the CPU, in a system call.
    Call(SystemCall),
    /// Not known, and why.
    Unknown(&'static str),
}

/// A system call that a thread was seen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemCall {
    /// Its number on this architecture.
    pub number: u32,
    /// Its name; `None` for one that the watchdog's table lacks.
    pub name: Option<&'static str>,
    /// What it is for.
    pub kind: CallKind,
}

/// What a system call is for, as far as it explains a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// Sleeps for a time.
    Sleep,
    /// Waits for another thread: a mutex, a condition variable, a channel.
    Lock,
    /// Waits for data.
    Read,
    /// Waits until data is taken.
    Write,
    /// Waits for descriptors or for another process.
    Wait,
    /// Anything else.
    Other,
}

impl fmt::Display for Cause {
    /// `sleeping in clock_nanosleep`, `waiting for a lock (futex)`, `in fsync`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Computing => f.write_str("computing"),
            Cause::NoCpu => f.write_str("ready to compute, but the machine gives it no CPU"),
            Cause::PageFault => f.write_str("waiting for memory (page fault)"),
            Cause::Call(call) => call.fmt(f),
            Cause::Unknown(why) => write!(f, "cause unknown: {why}"),
        }
    }
}

impl fmt::Display for SystemCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(name) = self.name else {
            return write!(f, "in system call {}", self.number);
        };
        match self.kind {
            CallKind::Sleep => write!(f, "sleeping in {name}"),
            CallKind::Lock => write!(f, "waiting for a lock ({name})"),
            CallKind::Read => write!(f, "reading ({name})"),
            CallKind::Write => write!(f, "writing ({name})"),
            CallKind::Wait => write!(f, "waiting in {name}"),
            CallKind::Other => write!(f, "in {name}"),
        }
    }
}

/// What a look from outside finds a thread in.
#[cfg(feature = "watch")]
#[allow(dead_code, reason = "where there is nothing to read, only that is said")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
/// when a look at the end of them found it `now`.
#[cfg(feature = "watch")]
pub(super) fn judge(wall: u64, cpu: Option<u64>, now: Whereabouts) -> Cause {
    // Half is enough: on a machine with more work than CPUs nobody gets it all.
    let computed = cpu.is_some_and(|cpu| cpu >= wall / 2);
    match now {
        _ if computed => Cause::Computing,
        Whereabouts::Call(call) => Cause::Call(call),
        Whereabouts::Blocked => Cause::PageFault,
        Whereabouts::Running if cpu.is_some_and(|cpu| cpu < wall / 10) => Cause::NoCpu,
        Whereabouts::Running => Cause::Computing,
        Whereabouts::Unreadable(why) => Cause::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_read_as_people_say_them() {
        let call = |name, kind| Cause::Call(SystemCall { number: 1, name, kind }).to_string();
        assert_eq!(call(Some("clock_nanosleep"), CallKind::Sleep), "sleeping in clock_nanosleep");
        assert_eq!(call(Some("futex"), CallKind::Lock), "waiting for a lock (futex)");
        assert_eq!(call(Some("fsync"), CallKind::Other), "in fsync");
        assert_eq!(call(Some("read"), CallKind::Read), "reading (read)");
        assert_eq!(call(None, CallKind::Other), "in system call 1");
        assert_eq!(Cause::Unknown("no /proc").to_string(), "cause unknown: no /proc");
    }

    #[cfg(feature = "watch")]
    #[test]
    fn time_on_the_cpu_outweighs_a_look_and_a_look_outweighs_nothing() {
        let fsync = SystemCall { number: 74, name: Some("fsync"), kind: CallKind::Other };
        let blocked = Whereabouts::Call(fsync);
        assert_eq!(judge(100, Some(90), blocked), Cause::Computing);
        assert_eq!(judge(100, Some(5), blocked), Cause::Call(fsync));
        assert_eq!(judge(100, None, blocked), Cause::Call(fsync));
        assert_eq!(judge(100, Some(30), Whereabouts::Running), Cause::Computing);
        assert_eq!(judge(100, Some(1), Whereabouts::Running), Cause::NoCpu);
        assert_eq!(judge(100, None, Whereabouts::Running), Cause::Computing);
        assert_eq!(judge(100, Some(0), Whereabouts::Blocked), Cause::PageFault);
        let unreadable = Whereabouts::Unreadable("no /proc");
        assert_eq!(judge(100, Some(0), unreadable), Cause::Unknown("no /proc"));
    }
}
