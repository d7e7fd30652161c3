//! The stack on which a thread handles signals.
//!
//! The signal stacks of std's threads have 8 KiB. The kernel's frame of one signal takes 3 KB with
//! AVX-512, so a second handler on top of the watchdog's overflows such a stack.
#![allow(unsafe_code)]

use std::{mem::zeroed, ptr};

use libc::{c_int, c_void};

/// The smallest stack, without the frames of the kernel.
const SIZE: usize = 64 * 1024;
/// Number of nested signal frames that the stack has space for.
const FRAMES: usize = 4;
/// Size of the guard below the stack, with which an overflow is a fault. At least a page on every
/// machine.
const GUARD: usize = 64 * 1024;

/// A signal stack installed on the calling thread. Removed and unmapped when dropped.
pub(crate) struct SignalStack {
    guard: *mut c_void,
    size: usize,
}

impl SignalStack {
    /// Installs a signal stack on the calling thread. `None` if the thread has one that is large
    /// enough, or if there is no memory: then the thread keeps the one that it has.
    pub(crate) fn install() -> Option<SignalStack> {
        let size = size();
        let present = current();
        let is_disabled = present.ss_flags & libc::SS_DISABLE != 0;
        if !is_disabled && present.ss_size >= size {
            return None;
        }
        // SAFETY: a new mapping at an address that the kernel chooses.
        let guard = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
            libc::mmap(ptr::null_mut(), GUARD + size, libc::PROT_NONE, flags, -1, 0)
        };
        if guard == libc::MAP_FAILED {
            return None;
        }
        let stack = SignalStack { guard, size };
        let ours = libc::stack_t { ss_sp: stack.bottom(), ss_flags: 0, ss_size: size };
        // SAFETY: within the new mapping, which stays until this is dropped.
        let is_installed = unsafe {
            libc::mprotect(ours.ss_sp, size, libc::PROT_READ | libc::PROT_WRITE) == 0
                && libc::sigaltstack(&raw const ours, ptr::null_mut()) == 0
        };
        is_installed.then_some(stack)
    }

    fn bottom(&self) -> *mut c_void {
        self.guard.wrapping_byte_add(GUARD)
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // The previous signal stack may have been freed: std frees its own when the thread ends. So
        // from here on signals are handled on the thread's normal stack, which is large.
        if current().ss_sp == self.bottom() {
            let none = libc::stack_t {
                ss_sp: ptr::null_mut(),
                ss_flags: libc::SS_DISABLE,
                ss_size: self.size,
            };
            // SAFETY: it is valid to have none.
            if unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) } != 0 {
                // A handler is running on it and will continue to use it.
                return;
            }
        }
        // SAFETY: no thread uses it: it was this thread's, and has been disabled or replaced.
        unsafe { libc::munmap(self.guard, GUARD + self.size) };
    }
}

/// A multiple of the page size.
fn size() -> usize {
    /// The size of the kernel's frame of one signal on this CPU.
    const AT_MINSIGSTKSZ: libc::c_ulong = 51;
    // SAFETY: only reads a value; 0 if it is not known.
    let frame = unsafe { libc::getauxval(AT_MINSIGSTKSZ) };
    let frame = usize::try_from(frame).unwrap_or(0).max(libc::MINSIGSTKSZ);
    (SIZE + FRAMES * frame).next_multiple_of(GUARD)
}

/// The stack on which the calling thread handles signals.
fn current() -> libc::stack_t {
    // SAFETY: a stack of zeros is valid, and reading cannot fail.
    unsafe {
        let mut current: libc::stack_t = zeroed();
        let failed: c_int = libc::sigaltstack(ptr::null(), &raw mut current);
        debug_assert_eq!(failed, 0);
        current
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, thread};

    use super::*;
    use crate::accounting::Registry;

    /// Polls a task on the calling thread.
    fn poll_once() {
        let registry = Registry::leak();
        let task = pin!(registry.instrument("task", async {}));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::future::Future::poll(task, &mut context).is_ready());
    }

    fn on_a_thread(test: fn()) {
        thread::spawn(test).join().expect("no panic");
    }

    #[test]
    fn polling_thread_has_a_large_signal_stack() {
        on_a_thread(|| {
            poll_once();
            let first = current();
            assert_eq!(first.ss_flags & libc::SS_DISABLE, 0);
            assert!(first.ss_size >= SIZE + FRAMES * libc::MINSIGSTKSZ, "{}", first.ss_size);
            poll_once();
            assert_eq!(current().ss_sp, first.ss_sp, "one is enough for two registries");
        });
    }

    #[test]
    fn large_signal_stack_of_the_program_is_kept() {
        on_a_thread(|| {
            let memory: &'static mut [u8] = vec![0; 2 * size()].leak();
            let own = libc::stack_t {
                ss_sp: memory.as_mut_ptr().cast(),
                ss_flags: 0,
                ss_size: memory.len(),
            };
            // SAFETY: the memory is never freed.
            assert_eq!(unsafe { libc::sigaltstack(&raw const own, ptr::null_mut()) }, 0);
            poll_once();
            assert_eq!((current().ss_sp, current().ss_size), (own.ss_sp, own.ss_size));
        });
    }

    #[test]
    fn signal_stack_is_removed_and_a_later_one_is_kept() {
        on_a_thread(|| {
            let stack = SignalStack::install().expect("memory");
            drop(stack);
            assert_ne!(current().ss_flags & libc::SS_DISABLE, 0);

            let stack = SignalStack::install().expect("memory");
            let memory: &'static mut [u8] = vec![0; SIZE].leak();
            let later = libc::stack_t {
                ss_sp: memory.as_mut_ptr().cast(),
                ss_flags: 0,
                ss_size: memory.len(),
            };
            // SAFETY: the memory is never freed.
            assert_eq!(unsafe { libc::sigaltstack(&raw const later, ptr::null_mut()) }, 0);
            drop(stack);
            assert_eq!(current().ss_sp, later.ss_sp);
        });
    }
}
