//! The threads of a process and their activity, read without stopping them.

use std::fs;

use crate::process::identity::{Identity, Stat};

/// More threads than the kernel gives a process by default.
const MAX_THREADS: usize = 1 << 16;

/// A thread at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub tid: u32,
    /// The thread's id in its own PID namespace.
    pub own_tid: u32,
    pub name: String,
    /// `R`, `S`, `D`, …
    pub state: char,
    pub place: Place,
}

/// Whether a thread is running or in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a CPU or waiting for one.
    Running,
    /// In the kernel, for a system call or (without a number) for another reason.
    Blocked { syscall: Option<u64>, stack_pointer: u64, program_counter: u64 },
    /// It could not be read.
    Unknown,
}

impl Place {
    fn parse(text: &str) -> Place {
        let mut fields = text.split_ascii_whitespace();
        let Some(first) = fields.next() else { return Place::Unknown };
        if first == "running" {
            return Place::Running;
        }
        let Ok(number) = first.parse::<i64>() else { return Place::Unknown };
        let words: Vec<&str> = fields.collect();
        let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let [.., stack_pointer, program_counter] = words[..] else { return Place::Unknown };
        match (hex(stack_pointer), hex(program_counter)) {
            (Some(stack_pointer), Some(program_counter)) => Place::Blocked {
                syscall: u64::try_from(number).ok(),
                stack_pointer,
                program_counter,
            },
            _ => Place::Unknown,
        }
    }

    pub(crate) fn stack_pointer(self) -> Option<u64> {
        match self {
            Place::Blocked { stack_pointer, .. } => Some(stack_pointer),
            _ => None,
        }
    }
}

/// All threads, by id.
pub(crate) fn list(identity: &Identity) -> Vec<Thread> {
    let Ok(entries) = fs::read_dir(identity.path("task")) else { return Vec::new() };
    // Its threads have another id only in a PID namespace of its own.
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
        place: place(identity, tid),
    })
}

/// Whether a thread is running or in the kernel now.
pub(crate) fn place(identity: &Identity, tid: u32) -> Place {
    fs::read_to_string(identity.path(&format!("task/{tid}/syscall")))
        .map_or(Place::Unknown, |text| Place::parse(&text))
}

fn own_tid(identity: &Identity, tid: u32) -> Option<u32> {
    let status = fs::read(identity.path(&format!("task/{tid}/status"))).ok()?;
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:")?.split_ascii_whitespace().last()?.parse().ok())
}

/// Names of the system calls in which threads spend their time.
pub(crate) fn syscall_name(number: u64) -> String {
    let number = i64::try_from(number).unwrap_or(-1);
    // Newer processors have only their successors.
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
    fn proc_syscall_is_parsed() {
        let text = "202 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffe10 0x55d0\n";
        let place = Place::parse(text);
        assert_eq!(
            place,
            Place::Blocked { syscall: Some(202), stack_pointer: 0x7ffe10, program_counter: 0x55d0 }
        );
        let place = Place::parse("-1 0x7ffe10 0x55d0\n");
        assert!(matches!(place, Place::Blocked { syscall: None, stack_pointer: 0x7ffe10, .. }));
        assert_eq!(Place::parse("running\n"), Place::Running);
        for text in ["", "202", "202 0x1", "x 0x1 0x2", "202 1 2"] {
            assert_eq!(Place::parse(text), Place::Unknown, "{text}");
        }
    }
}
