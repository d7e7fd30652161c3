//! The stack on which a thread handles signals.
//!
//! std gives its threads 8 KiB. The kernel's frame of one signal is 3 KB with AVX-512, so a
//! second handler on top of the watchdog's overflows that.
#![allow(unsafe_code)]

use std::{mem::zeroed, ptr};

use libc::{c_int, c_void};

/// The smallest stack, without the frames of the kernel.
const SIZE: usize = 64 * 1024;
/// Frames of the kernel that have room: handlers on top of each other.
const FRAMES: usize = 4;
/// Below the stack, so that an overflow is a fault. No smaller than a page anywhere.
const GUARD: usize = 64 * 1024;

/// A stack that was given to the calling thread; dropped, it is taken back.
pub(crate) struct SignalStack {
    guard: *mut c_void,
    size: usize,
}

impl SignalStack {
    /// Gives one to the calling thread. `None` if it has one that is large enough, or the
    /// operating system gives no memory: then it goes on with the one that it has.
    pub(crate) fn install() -> Option<SignalStack> {
        let size = size();
        let present = current();
        let is_disabled = present.ss_flags & libc::SS_DISABLE != 0;
        if !is_disabled && present.ss_size >= size {
            return None;
        }
        // SAFETY: fresh memory, wherever there is room.
        let guard = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
            libc::mmap(ptr::null_mut(), GUARD + size, libc::PROT_NONE, flags, -1, 0)
        };
        if guard == libc::MAP_FAILED {
            return None;
        }
        let stack = SignalStack { guard, size };
        let ours = libc::stack_t { ss_sp: stack.bottom(), ss_flags: 0, ss_size: size };
        // SAFETY: within the fresh memory, which stays until this is dropped.
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
        // The one before may be gone by now: std frees its own when the thread ends. So from
        // here on signals are handled on the thread's own stack, which is large.
        if current().ss_sp == self.bottom() {
            let none = libc::stack_t {
                ss_sp: ptr::null_mut(),
                ss_flags: libc::SS_DISABLE,
                ss_size: self.size,
            };
            // SAFETY: it is valid to have none.
            if unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) } != 0 {
                // A handler runs on it, and will go on with it.
                return;
            }
        }
        // SAFETY: no thread uses it: it was this thread's, and is not any more.
        unsafe { libc::munmap(self.guard, GUARD + self.size) };
    }
}

/// A multiple of the page size.
fn size() -> usize {
    /// The size of the kernel's frame of one signal on this CPU.
    const AT_MINSIGSTKSZ: libc::c_ulong = 51;
    // SAFETY: asks only; 0 where it is not known.
    let frame = unsafe { libc::getauxval(AT_MINSIGSTKSZ) };
    let frame = usize::try_from(frame).unwrap_or(0).max(libc::MINSIGSTKSZ);
    (SIZE + FRAMES * frame).next_multiple_of(GUARD)
}

/// The stack on which the calling thread handles signals.
fn current() -> libc::stack_t {
    // SAFETY: a stack of zeros is a valid place for the answer, and asking cannot fail.
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
    use crate::probe::Registry;

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
    fn a_thread_that_polls_has_a_large_one() {
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
    fn a_large_one_of_the_program_stays() {
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
    fn it_is_taken_back_and_one_that_came_later_stays() {
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
