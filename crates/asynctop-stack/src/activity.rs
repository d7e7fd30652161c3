//! The activity of a thread, as the kernel reports it.

/// Whether a thread is running or blocked in the kernel, and where: the content of
/// `/proc/PID/task/TID/syscall`.
///
/// ```
/// use asynctop_stack::Activity;
///
/// let blocked = Activity::parse("202 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffe10 0x55d0\n");
/// let (stack_pointer, program_counter) = (0x7ffe10, 0x55d0);
/// assert_eq!(
///     blocked,
///     Some(Activity::Blocked { syscall: Some(202), stack_pointer, program_counter })
/// );
/// assert_eq!(Activity::parse("running\n"), Some(Activity::Running));
/// assert_eq!(Activity::parse("something else"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// On a CPU or waiting for one.
    Running,
    /// Blocked in the kernel.
    Blocked {
        /// The number of the system call; `None` if the thread is blocked for another reason, such
        /// as a page fault.
        syscall: Option<u64>,
        /// Its stack pointer.
        stack_pointer: u64,
        /// The address at which it continues.
        program_counter: u64,
    },
}

impl Activity {
    /// Reads `running`, `-1 SP PC`, or `NUMBER ARGUMENTS… SP PC`; `None` if it is none of them.
    pub fn parse(text: &str) -> Option<Activity> {
        let mut fields = text.split_ascii_whitespace();
        let first = fields.next()?;
        if first == "running" {
            return Some(Activity::Running);
        }
        let number: i64 = first.parse().ok()?;
        let mut address = || u64::from_str_radix(fields.next_back()?.strip_prefix("0x")?, 16).ok();
        let (program_counter, stack_pointer) = (address()?, address()?);
        Some(Activity::Blocked {
            syscall: u64::try_from(number).ok(),
            stack_pointer,
            program_counter,
        })
    }
}

macro_rules! names {
    ($($name:ident = $number:ident),+ $(,)?) => {
        &[$((libc::$number, stringify!($name))),+]
    };
}

/// Numbers and names of the system calls in which threads spend time.
const NAMES: &[(libc::c_long, &str)] = names![
    nanosleep = SYS_nanosleep,
    clock_nanosleep = SYS_clock_nanosleep,
    restart_syscall = SYS_restart_syscall,
    futex = SYS_futex,
    flock = SYS_flock,
    read = SYS_read,
    pread64 = SYS_pread64,
    readv = SYS_readv,
    preadv = SYS_preadv,
    recvfrom = SYS_recvfrom,
    recvmsg = SYS_recvmsg,
    getrandom = SYS_getrandom,
    getdents64 = SYS_getdents64,
    write = SYS_write,
    pwrite64 = SYS_pwrite64,
    writev = SYS_writev,
    pwritev = SYS_pwritev,
    sendto = SYS_sendto,
    sendmsg = SYS_sendmsg,
    sendfile = SYS_sendfile,
    ppoll = SYS_ppoll,
    pselect6 = SYS_pselect6,
    epoll_pwait = SYS_epoll_pwait,
    epoll_pwait2 = SYS_epoll_pwait2,
    wait4 = SYS_wait4,
    waitid = SYS_waitid,
    io_uring_enter = SYS_io_uring_enter,
    rt_sigtimedwait = SYS_rt_sigtimedwait,
    rt_sigsuspend = SYS_rt_sigsuspend,
    fsync = SYS_fsync,
    fdatasync = SYS_fdatasync,
    sync = SYS_sync,
    syncfs = SYS_syncfs,
    sync_file_range = SYS_sync_file_range,
    msync = SYS_msync,
    fallocate = SYS_fallocate,
    ftruncate = SYS_ftruncate,
    openat = SYS_openat,
    unlinkat = SYS_unlinkat,
    fstat = SYS_fstat,
    statx = SYS_statx,
    connect = SYS_connect,
    accept = SYS_accept,
    accept4 = SYS_accept4,
    shutdown = SYS_shutdown,
    mmap = SYS_mmap,
    munmap = SYS_munmap,
    mprotect = SYS_mprotect,
    madvise = SYS_madvise,
    fcntl = SYS_fcntl,
    ioctl = SYS_ioctl,
    close = SYS_close,
    splice = SYS_splice,
    copy_file_range = SYS_copy_file_range,
    execve = SYS_execve,
    clone = SYS_clone,
    membarrier = SYS_membarrier,
];

/// System calls that only x86_64 has.
#[cfg(target_arch = "x86_64")]
const X86_64_NAMES: &[(libc::c_long, &str)] = names![
    poll = SYS_poll,
    select = SYS_select,
    epoll_wait = SYS_epoll_wait,
    pause = SYS_pause,
    open = SYS_open,
    stat = SYS_stat,
    rename = SYS_rename,
    unlink = SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const X86_64_NAMES: &[(libc::c_long, &str)] = &[];

/// The name of the system call with this number on this machine; `None` if threads hardly ever spend
/// time in it.
pub fn syscall_name(number: u64) -> Option<&'static str> {
    let number = libc::c_long::try_from(number).ok()?;
    let mut all = NAMES.iter().chain(X86_64_NAMES);
    all.find(|(known, _)| *known == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_reports_are_no_activity() {
        let fault =
            Activity::Blocked { syscall: None, stack_pointer: 0x7ffe10, program_counter: 0x55d0 };
        assert_eq!(Activity::parse("-1 0x7ffe10 0x55d0\n"), Some(fault));
        for text in ["", "202", "202 0x1", "x 0x1 0x2", "202 1 2"] {
            assert_eq!(Activity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn system_calls_have_names() {
        assert_eq!(syscall_name(libc::SYS_fsync.cast_unsigned()), Some("fsync"));
        assert_eq!(syscall_name(4000), None);
        assert_eq!(syscall_name(u64::MAX), None);
    }
}
