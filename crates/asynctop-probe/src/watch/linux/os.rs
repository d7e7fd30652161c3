//! What the operating system says of a thread.
#![allow(unsafe_code)]

use std::fs;

use asynctop_stack::Registers;

use crate::watch::{CallKind, SystemCall, judge::Whereabouts};

/// The calling thread, as the operating system numbers it.
pub(super) fn this_thread() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::gettid() }.cast_unsigned()
}

/// Nanoseconds that a thread of this process has spent on the CPU; `None` once it has
/// ended. One system call, no file.
pub(in crate::watch) fn cpu_time(os_id: u32) -> Option<u64> {
    // The kernel's number for the CPU clock (2) of one thread (4).
    let clock = (!os_id.cast_signed() << 3) | 4 | 2;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to write to; a wrong clock is an error.
    let known = unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    let nanos = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
    known.then_some(nanos)
}

/// Nanoseconds that each CPU of this virtual machine was wanted and its host ran something else,
/// since it booted; none where the kernel does not tell. In steps of some 10 ms.
pub(in crate::watch) fn stolen_time() -> Vec<u64> {
    // SAFETY: asks for a number that never changes.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let tick_ns = 1_000_000_000 / u64::try_from(ticks).unwrap_or(100).max(1);
    stolen_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default())
        .map(|ticks| ticks.saturating_mul(tick_ns))
        .collect()
}

/// Of the lines `cpu0 user nice system idle iowait irq softirq steal …` the last of these.
fn stolen_ticks(stat: &str) -> impl Iterator<Item = u64> {
    let numbers = stat.lines().filter_map(|line| line.strip_prefix("cpu"));
    let of_one = numbers.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    of_one.filter_map(|rest| rest.split_whitespace().nth(8)?.parse().ok())
}

/// What a thread of this process is in right now.
pub(in crate::watch) fn whereabouts(os_id: u32) -> Whereabouts {
    CallReport::read(os_id).whereabouts()
}

/// What the kernel reports of a thread in `/proc/self/task/TID/syscall`: `running`,
/// `-1 stack address`, or `number arguments… stack address`.
#[derive(PartialEq, Eq)]
pub(super) struct CallReport(Option<String>);

impl CallReport {
    pub(super) fn read(os_id: u32) -> Self {
        CallReport(fs::read_to_string(format!("/proc/self/task/{os_id}/syscall")).ok())
    }

    pub(super) fn whereabouts(&self) -> Whereabouts {
        let Some(text) = &self.0 else {
            return Whereabouts::Unreadable("/proc/self/task/*/syscall is not readable");
        };
        match text.split_whitespace().next() {
            Some("running") => Whereabouts::Running,
            Some("-1") => Whereabouts::Blocked,
            Some(number) => number.parse().map_or(
                Whereabouts::Unreadable("/proc/self/task/*/syscall has an unknown format"),
                |number| Whereabouts::Call(system_call(number)),
            ),
            None => Whereabouts::Unreadable("/proc/self/task/*/syscall is empty"),
        }
    }

    /// The registers of a thread that does not run, as far as they are reported.
    pub(super) fn registers(&self) -> Option<Registers> {
        let mut fields = self.0.as_deref()?.split_whitespace().rev();
        let mut address = || u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok();
        let (ip, sp) = (address()?, address()?);
        Some(Registers::pointers(ip, sp))
    }
}

/// How often a thread of this process has begun to wait for something; `None` once it has
/// ended.
pub(super) fn voluntary_switches(os_id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/self/task/{os_id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

/// Whether a thread of this process is on a CPU, or runnable.
pub(super) fn is_running(os_id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{os_id}/stat")).unwrap_or_default();
    // `number (name) state …`; the name may contain anything.
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('R'))
}

/// Why a thread has not answered a signal that was sent a while ago.
pub(super) fn why_late(os_id: u32, signal: i32) -> &'static str {
    let status = fs::read_to_string(format!("/proc/self/task/{os_id}/status")).unwrap_or_default();
    let has = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let set = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
        set.is_some_and(|set| set >> (signal - 1) & 1 == 1)
    };
    match (has("SigBlk:"), has("SigPnd:")) {
        (true, _) => "the thread blocks the watchdog's signal",
        (false, true) => "the thread has not returned from the kernel yet",
        (false, false) => "the thread has not responded yet",
    }
}

macro_rules! calls {
    ($($kind:ident: $($name:ident = $number:ident),+;)+) => {
        const CALLS: &[(libc::c_long, &str, CallKind)] =
            &[$($((libc::$number, stringify!($name), CallKind::$kind)),+),+];
    };
}

// Those that block. The others have a number.
calls! {
    Sleep: nanosleep = SYS_nanosleep, clock_nanosleep = SYS_clock_nanosleep;
    Lock: futex = SYS_futex, flock = SYS_flock;
    Read: read = SYS_read, pread64 = SYS_pread64, readv = SYS_readv, preadv = SYS_preadv,
        recvfrom = SYS_recvfrom, recvmsg = SYS_recvmsg, getrandom = SYS_getrandom,
        getdents64 = SYS_getdents64;
    Write: write = SYS_write, pwrite64 = SYS_pwrite64, writev = SYS_writev,
        pwritev = SYS_pwritev, sendto = SYS_sendto, sendmsg = SYS_sendmsg,
        sendfile = SYS_sendfile;
    Wait: ppoll = SYS_ppoll, pselect6 = SYS_pselect6, epoll_pwait = SYS_epoll_pwait,
        wait4 = SYS_wait4, waitid = SYS_waitid, io_uring_enter = SYS_io_uring_enter,
        rt_sigtimedwait = SYS_rt_sigtimedwait;
    Other: fsync = SYS_fsync, fdatasync = SYS_fdatasync, sync = SYS_sync,
        syncfs = SYS_syncfs, sync_file_range = SYS_sync_file_range, msync = SYS_msync,
        fallocate = SYS_fallocate, ftruncate = SYS_ftruncate, openat = SYS_openat,
        unlinkat = SYS_unlinkat, fstat = SYS_fstat, statx = SYS_statx, connect = SYS_connect,
        accept = SYS_accept, accept4 = SYS_accept4, shutdown = SYS_shutdown,
        mmap = SYS_mmap, munmap = SYS_munmap, mprotect = SYS_mprotect, madvise = SYS_madvise,
        fcntl = SYS_fcntl, ioctl = SYS_ioctl, close = SYS_close, splice = SYS_splice,
        copy_file_range = SYS_copy_file_range, execve = SYS_execve, clone = SYS_clone,
        membarrier = SYS_membarrier;
}

/// Calls that only the older architecture has.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[(libc::c_long, &str, CallKind)] = &[
    (libc::SYS_poll, "poll", CallKind::Wait),
    (libc::SYS_select, "select", CallKind::Wait),
    (libc::SYS_epoll_wait, "epoll_wait", CallKind::Wait),
    (libc::SYS_pause, "pause", CallKind::Wait),
    (libc::SYS_open, "open", CallKind::Other),
    (libc::SYS_stat, "stat", CallKind::Other),
    (libc::SYS_rename, "rename", CallKind::Other),
    (libc::SYS_unlink, "unlink", CallKind::Other),
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[(libc::c_long, &str, CallKind)] = &[];

fn system_call(number: u32) -> SystemCall {
    let mut all = CALLS.iter().chain(OLD_CALLS);
    let known = all.find(|(known, ..)| *known == libc::c_long::from(number.cast_signed()));
    SystemCall {
        number,
        name: known.map(|(_, name, _)| (*name).into()),
        kind: known.map_or(CallKind::Other, |(.., kind)| *kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_report_has_the_call_and_the_stack_pointer() {
        let parse = |text: &str| CallReport(Some(text.to_owned()));
        assert_eq!(parse("running\n").whereabouts(), Whereabouts::Running);
        assert!(parse("running\n").registers().is_none());
        let fault = parse("-1 0x7ffc08 0x7f12\n");
        assert_eq!(fault.whereabouts(), Whereabouts::Blocked);
        let registers = fault.registers().expect("both");
        assert_eq!((registers.sp, registers.ip), (0x7f_fc08, 0x7f12));
        let fsync = format!("{} 0x3 0x0 0x0 0x0 0x0 0x0 0x7ffd10 0x7f34\n", libc::SYS_fsync);
        let fsync = parse(&fsync);
        let Whereabouts::Call(call) = fsync.whereabouts() else { panic!("a call") };
        assert_eq!((call.name.as_deref(), call.kind), (Some("fsync"), CallKind::Other));
        let registers = fsync.registers().expect("both");
        assert_eq!((registers.sp, registers.ip), (0x7f_fd10, 0x7f34));
        let Whereabouts::Call(call) = parse("4000 0x0\n").whereabouts() else { panic!("a call") };
        assert_eq!((call.number, call.name), (4000, None));
        for unknown in ["", "what"] {
            assert!(matches!(parse(unknown).whereabouts(), Whereabouts::Unreadable(_)));
            assert!(parse(unknown).registers().is_none());
        }
        assert!(matches!(CallReport(None).whereabouts(), Whereabouts::Unreadable(_)));
    }

    #[test]
    fn each_cpu_has_its_own_stolen_time() {
        let stat = "cpu  9 0 3 9 0 0 1 12 0 0\ncpu0 5 0 2 5 0 0 1 8 0 0\ncpu1 4 0 1 4 0 0 0 4 0 0\n\
                    intr 70 0\nctxt 5\n";
        assert_eq!(stolen_ticks(stat).collect::<Vec<_>>(), [8, 4]);
        assert_eq!(stolen_ticks("cpu0 1 2 3\nwhat").count(), 0, "a kernel that does not tell");
        assert!(!stolen_time().is_empty(), "this one does");
    }

    #[test]
    fn this_threads_cpu_time_grows_while_it_computes_and_an_ended_thread_has_none() {
        let before = cpu_time(this_thread()).expect("the thread lives");
        while cpu_time(this_thread()).expect("the thread lives") <= before {}
        let gone = std::thread::spawn(this_thread).join().expect("no panic");
        // The kernel takes a moment to forget it.
        while cpu_time(gone).is_some() {
            std::thread::yield_now();
        }
    }
}
