//! System calls that rustix does not provide.
#![allow(unsafe_code)]

use std::io;

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
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        // SAFETY: has no memory arguments; 0 is the calling thread.
        sched_nice: unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) },
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of the structure, which lives during the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
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
