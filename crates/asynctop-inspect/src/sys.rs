//! System calls that rustix does not provide.
#![allow(unsafe_code)]

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A range of another process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First address.
    pub address: u64,
    /// Length in bytes.
    pub length: usize,
}

/// Maximum number of ranges per call (`UIO_MAXIOV`).
pub(crate) const MAX_SPANS: usize = 1024;

/// Copies `spans` consecutively into `buffer`, up to the first unreadable one. Returns the number
/// of bytes copied.
///
/// # Errors
///
/// The system's error if nothing could be copied.
///
/// # Panics
///
/// If there are more than [`MAX_SPANS`] spans, or `buffer` is smaller than all of them.
pub(crate) fn process_vm_readv(pid: u32, spans: &[Span], buffer: &mut [u8]) -> io::Result<usize> {
    assert!(spans.len() <= MAX_SPANS);
    let total: usize = spans.iter().map(|span| span.length).sum();
    assert!(total <= buffer.len());
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: total };
    let remote: Vec<libc::iovec> = spans
        .iter()
        .map(|span| libc::iovec { iov_base: span.address as *mut _, iov_len: span.length })
        .collect();
    // SAFETY: `local` is the beginning of `buffer`, which is exclusively borrowed during the
    // call and at least `total` long; the kernel writes nowhere else. The addresses in `remote`
    // belong to the other process and are only read; an unmapped one is an error.
    let copied = unsafe {
        libc::process_vm_readv(
            pid as libc::pid_t,
            &raw const local,
            1,
            remote.as_ptr(),
            remote.len() as libc::c_ulong,
            0,
        )
    };
    usize::try_from(copied).map_err(|_| io::Error::last_os_error())
}

/// Asks the scheduler for the shortest time slice for the calling thread (Linux 6.12 and later; no
/// effect before). It then runs sooner after it wakes up, and for less time.
///
/// # Errors
///
/// The system's error.
pub(crate) fn request_short_slice() -> io::Result<()> {
    const SLICE_NS: u64 = 100_000;
    // SAFETY: has no memory arguments; 0 is the calling thread.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let attributes = libc::sched_attr { sched_nice: nice, sched_runtime: SLICE_NS, ..NORMAL };
    set_scheduling(&attributes)
}

/// Gives the calling thread the lowest real-time priority, so that it runs as soon as it wakes up. A
/// limit of the CPU time that it may use without sleeping ends this process rather than take a CPU
/// from the machine.
///
/// # Errors
///
/// The system's error: the permission is missing.
pub(crate) fn request_realtime() -> io::Result<()> {
    /// In microseconds.
    const MAX_CPU_TIME: u64 = 200_000;
    let Rlimit { maximum, .. } = getrlimit(Resource::Rttime);
    let current = Some(maximum.map_or(MAX_CPU_TIME, |maximum| maximum.min(MAX_CPU_TIME)));
    setrlimit(Resource::Rttime, Rlimit { current, maximum })?;
    set_scheduling(&libc::sched_attr {
        sched_policy: libc::SCHED_FIFO as u32,
        // Threads and processes that it starts have a normal priority.
        sched_flags: libc::SCHED_FLAG_RESET_ON_FORK as u64,
        sched_priority: 1,
        ..NORMAL
    })
}

const NORMAL: libc::sched_attr = libc::sched_attr {
    size: size_of::<libc::sched_attr>() as u32,
    sched_policy: libc::SCHED_OTHER as u32,
    sched_flags: 0,
    sched_nice: 0,
    sched_priority: 0,
    sched_runtime: 0,
    sched_deadline: 0,
    sched_period: 0,
};

/// Sets the policy and priority of the calling thread.
fn set_scheduling(attributes: &libc::sched_attr) -> io::Result<()> {
    let attributes = std::ptr::from_ref(attributes);
    // SAFETY: the kernel reads `size` bytes of the structure, which lives during the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, attributes, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_slice_is_granted() {
        std::thread::spawn(|| request_short_slice().expect("every user may"))
            .join()
            .expect("no panic");
    }

    /// Whether it is granted depends on the rights of the user.
    #[test]
    fn realtime_is_granted_or_denied_as_a_whole() {
        const RESET_ON_FORK: i32 = 0x4000_0000;
        let policy = || {
            // SAFETY: has no memory arguments; 0 is the calling thread.
            let policy = unsafe { libc::sched_getscheduler(0) };
            policy & !RESET_ON_FORK
        };
        let run = move || match request_realtime() {
            Ok(()) => assert_eq!(policy(), libc::SCHED_FIFO),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
                assert_eq!(policy(), libc::SCHED_OTHER);
            }
        };
        std::thread::spawn(run).join().expect("no panic");
    }

    #[test]
    fn copies_spans_and_stops_at_the_first_unreadable_one() {
        let pid = std::process::id();
        let (first, second) = (*b"first", *b"second!");
        let span = |bytes: &[u8]| Span { address: bytes.as_ptr() as u64, length: bytes.len() };
        let mut buffer = [0; 12];
        let spans = [span(&first), span(&second)];
        assert_eq!(process_vm_readv(pid, &spans, &mut buffer).ok(), Some(12));
        assert_eq!(&buffer, b"firstsecond!");

        let spans = [span(&second), Span { address: 8, length: 4 }];
        assert_eq!(process_vm_readv(pid, &spans, &mut buffer).ok(), Some(7));
        assert_eq!(&buffer[..7], b"second!");
        let unreadable = [Span { address: 8, length: 4 }];
        assert!(process_vm_readv(pid, &unreadable, &mut buffer).is_err());
    }
}
