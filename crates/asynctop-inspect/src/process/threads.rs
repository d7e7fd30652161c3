//! The threads of a process and their activity, read without stopping them.

use std::fs;

use crate::process::{identity::Identity, stat::Stat};

/// Maximum number of threads. The kernel allows fewer by default.
const MAX_THREADS: usize = 1 << 16;

/// A thread at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub tid: u32,
    /// The thread's id in its own PID namespace.
    pub own_tid: u32,
    pub name: String,
    /// The kernel's letter: `R`, `S`, `D`, …
    pub state: char,
    pub activity: Activity,
}

/// Whether a thread is running or blocked in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// On a CPU or waiting for one.
    Running,
    /// Blocked in a system call, or, without a number, for another reason.
    Blocked { syscall: Option<u64>, stack_pointer: u64, program_counter: u64 },
    /// Not readable.
    Unknown,
}

impl Activity {
    fn parse(text: &str) -> Activity {
        let mut fields = text.split_ascii_whitespace();
        let Some(first) = fields.next() else { return Activity::Unknown };
        if first == "running" {
            return Activity::Running;
        }
        let Ok(number) = first.parse::<i64>() else { return Activity::Unknown };
        let words: Vec<&str> = fields.collect();
        let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let [.., stack_pointer, program_counter] = words[..] else { return Activity::Unknown };
        match (hex(stack_pointer), hex(program_counter)) {
            (Some(stack_pointer), Some(program_counter)) => Activity::Blocked {
                syscall: u64::try_from(number).ok(),
                stack_pointer,
                program_counter,
            },
            _ => Activity::Unknown,
        }
    }

    pub(crate) fn stack_pointer(self) -> Option<u64> {
        match self {
            Activity::Blocked { stack_pointer, .. } => Some(stack_pointer),
            _ => None,
        }
    }
}

/// All threads, by id.
pub(crate) fn list(identity: &Identity) -> Vec<Thread> {
    let Ok(entries) = fs::read_dir(identity.path("task")) else { return Vec::new() };
    // Threads have another id of their own only in another PID namespace.
    let is_nested = own_tid(identity, identity.pid()).is_some_and(|own| own != identity.pid());
    let tids = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .take(MAX_THREADS);
    let mut threads: Vec<Thread> = tids.filter_map(|tid| read(identity, tid, is_nested)).collect();
    threads.sort_by_key(|thread| thread.tid);
    threads
}

fn read(identity: &Identity, tid: u32, is_nested: bool) -> Option<Thread> {
    let stat = Stat::read_at(&identity.path(&format!("task/{tid}/stat"))).ok()?;
    Some(Thread {
        tid,
        own_tid: is_nested.then(|| own_tid(identity, tid)).flatten().unwrap_or(tid),
        name: stat.name,
        state: stat.state,
        activity: activity(identity, tid),
    })
}

/// The current activity of a thread, from `/proc/PID/task/TID/syscall`.
pub(crate) fn activity(identity: &Identity, tid: u32) -> Activity {
    fs::read_to_string(identity.path(&format!("task/{tid}/syscall")))
        .map_or(Activity::Unknown, |text| Activity::parse(&text))
}

fn own_tid(identity: &Identity, tid: u32) -> Option<u32> {
    let status = fs::read(identity.path(&format!("task/{tid}/status"))).ok()?;
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:")?.split_ascii_whitespace().last()?.parse().ok())
}

/// The name of a system call, if it is one in which threads spend time; else its number.
pub(crate) fn syscall_name(number: u64) -> String {
    let number = i64::try_from(number).unwrap_or(-1);
    // Newer processors have only the successors of these.
    #[cfg(target_arch = "x86_64")]
    match number {
        libc::SYS_poll => return "poll".to_owned(),
        libc::SYS_select => return "select".to_owned(),
        libc::SYS_epoll_wait => return "epoll_wait".to_owned(),
        libc::SYS_pause => return "pause".to_owned(),
        _ => {}
    }
    let name = match number {
        libc::SYS_read => "read",
        libc::SYS_write => "write",
        libc::SYS_ppoll => "ppoll",
        libc::SYS_pselect6 => "pselect6",
        libc::SYS_ioctl => "ioctl",
        libc::SYS_pread64 => "pread64",
        libc::SYS_pwrite64 => "pwrite64",
        libc::SYS_readv => "readv",
        libc::SYS_writev => "writev",
        libc::SYS_accept => "accept",
        libc::SYS_accept4 => "accept4",
        libc::SYS_connect => "connect",
        libc::SYS_sendto => "sendto",
        libc::SYS_recvfrom => "recvfrom",
        libc::SYS_sendmsg => "sendmsg",
        libc::SYS_recvmsg => "recvmsg",
        libc::SYS_nanosleep => "nanosleep",
        libc::SYS_clock_nanosleep => "clock_nanosleep",
        libc::SYS_futex => "futex",
        libc::SYS_epoll_pwait => "epoll_pwait",
        libc::SYS_epoll_pwait2 => "epoll_pwait2",
        libc::SYS_io_uring_enter => "io_uring_enter",
        libc::SYS_wait4 => "wait4",
        libc::SYS_waitid => "waitid",
        libc::SYS_fsync => "fsync",
        libc::SYS_fdatasync => "fdatasync",
        libc::SYS_flock => "flock",
        libc::SYS_fcntl => "fcntl",
        libc::SYS_openat => "openat",
        libc::SYS_rt_sigtimedwait => "rt_sigtimedwait",
        libc::SYS_rt_sigsuspend => "rt_sigsuspend",
        libc::SYS_restart_syscall => "restart_syscall",
        libc::SYS_getrandom => "getrandom",
        libc::SYS_munmap => "munmap",
        libc::SYS_madvise => "madvise",
        _ => return format!("system call {number}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_parsed() {
        let text = "202 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffe10 0x55d0\n";
        assert_eq!(
            Activity::parse(text),
            Activity::Blocked {
                syscall: Some(202),
                stack_pointer: 0x7ffe10,
                program_counter: 0x55d0
            }
        );
        let activity = Activity::parse("-1 0x7ffe10 0x55d0\n");
        assert!(matches!(
            activity,
            Activity::Blocked { syscall: None, stack_pointer: 0x7ffe10, .. }
        ));
        assert_eq!(Activity::parse("running\n"), Activity::Running);
        for text in ["", "202", "202 0x1", "x 0x1 0x2", "202 1 2"] {
            assert_eq!(Activity::parse(text), Activity::Unknown, "{text}");
        }
    }
}
