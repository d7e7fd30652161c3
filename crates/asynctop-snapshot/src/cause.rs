//! The cause of a long poll: its thread computes, or waits for something.

use std::{borrow::Cow, fmt};

/// The activity of a thread over an interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Cause {
    /// On the CPU.
    Computing,
    /// Runnable, but with hardly any CPU time.
    NoCpu,
    /// Off the CPU, in the kernel, without a system call: a page is read from disk.
    PageFault,
    /// Off the CPU, in a system call.
    Call(SystemCall),
    /// Unknown, with the reason.
    Unknown(Cow<'static, str>),
}

/// A system call that a thread was in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SystemCall {
    /// Its number on this architecture.
    pub number: u32,
    /// Its name; `None` if the watchdog's table does not have it.
    pub name: Option<Cow<'static, str>>,
    /// Its purpose.
    pub kind: CallKind,
}

/// The purpose of a system call, as far as it explains a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum CallKind {
    /// Sleeps for some time.
    Sleep,
    /// Waits for another thread: a mutex, a condition variable, a channel.
    Lock,
    /// Waits for data.
    Read,
    /// Waits until data is accepted.
    Write,
    /// Waits for descriptors or for another process.
    Wait,
    /// Any other purpose.
    Other,
}

impl CallKind {
    /// The purpose of the Linux system call with this name.
    pub fn of(name: &str) -> CallKind {
        match name {
            "nanosleep" | "clock_nanosleep" => CallKind::Sleep,
            "futex" | "flock" => CallKind::Lock,
            "read" | "pread64" | "readv" | "preadv" | "recvfrom" | "recvmsg" | "getrandom"
            | "getdents64" => CallKind::Read,
            "write" | "pwrite64" | "writev" | "pwritev" | "sendto" | "sendmsg" | "sendfile" => {
                CallKind::Write
            }
            "poll" | "ppoll" | "select" | "pselect6" | "epoll_wait" | "epoll_pwait" | "wait4"
            | "waitid" | "pause" | "io_uring_enter" | "rt_sigtimedwait" => CallKind::Wait,
            _ => CallKind::Other,
        }
    }
}

impl fmt::Display for Cause {
    /// `sleeping in clock_nanosleep`, `waiting for a lock (futex)`, `in fsync`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Computing => f.write_str("computing"),
            Cause::NoCpu => f.write_str("runnable, but waiting for a CPU"),
            Cause::PageFault => f.write_str("waiting for memory (page fault)"),
            Cause::Call(call) => call.fmt(f),
            Cause::Unknown(why) => write!(f, "cause unknown: {why}"),
        }
    }
}

impl fmt::Display for SystemCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(name) = &self.name else {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_displays_as_a_phrase() {
        let call = |name: Option<&'static str>, kind| {
            let name = name.map(Cow::from);
            Cause::Call(SystemCall { number: 1, name, kind }).to_string()
        };
        assert_eq!(call(Some("clock_nanosleep"), CallKind::Sleep), "sleeping in clock_nanosleep");
        assert_eq!(call(Some("futex"), CallKind::Lock), "waiting for a lock (futex)");
        assert_eq!(call(Some("fsync"), CallKind::Other), "in fsync");
        assert_eq!(call(Some("read"), CallKind::Read), "reading (read)");
        assert_eq!(call(None, CallKind::Other), "in system call 1");
        assert_eq!(Cause::Unknown("no /proc".into()).to_string(), "cause unknown: no /proc");
    }
}
