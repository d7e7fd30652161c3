//! Copies of a thread's registers and of the inner end of its stack.
#![allow(unsafe_code)]

use std::ptr;

use libc::{c_int, c_void, iovec};

/// A piece lies within one page, and the first one may be short.
pub(super) const PIECE: usize = 4096;

/// The value of a register that is not known. No frame and no code is there.
pub(super) const UNKNOWN: u64 = 1;

/// The registers that unwinding begins with.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    pub ip: u64,
    pub sp: u64,
    pub fp: u64,
    /// The link register.
    #[cfg(target_arch = "aarch64")]
    pub lr: u64,
    /// The register in which a system call returns its result.
    pub result: u64,
}

impl Registers {
    /// The instruction pointer and the stack pointer alone.
    pub(super) const fn pointers(ip: u64, sp: u64) -> Self {
        Registers {
            ip,
            sp,
            fp: UNKNOWN,
            #[cfg(target_arch = "aarch64")]
            lr: UNKNOWN,
            result: UNKNOWN,
        }
    }
}

/// Registers, and the bytes of the stack from the stack pointer up.
#[derive(Clone, Copy)]
pub(super) struct StackCopy<'a> {
    pub registers: Registers,
    pub bytes: &'a [u8],
    /// Whether the stack continues beyond the copy.
    pub is_full: bool,
}

impl StackCopy<'_> {
    /// The word at `address` of the thread's stack, if it was copied.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.registers.sp)?).ok()?;
        Some(u64::from_ne_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }

    /// Where the copy ends.
    pub(super) fn end(&self) -> u64 {
        self.registers.sp.wrapping_add(self.bytes.len() as u64)
    }
}

pub(super) const NO_PIECE: iovec = iovec { iov_base: ptr::null_mut(), iov_len: 0 };

/// Copies the stack at `sp` into `bytes`, with one of `pieces` for each page; the number of
/// bytes, or an errno. Only a system call: a signal handler may call it.
///
/// The kernel copies, because only it can stop at the stack's end without a fault, wherever
/// that is: the thread's own stack, that of a coroutine, or one grown on the heap.
pub(super) fn copy_stack(sp: u64, pieces: &mut [iovec], bytes: &mut [u8]) -> Result<usize, c_int> {
    let mut at = sp as usize;
    let end = at.wrapping_add(bytes.len());
    let mut used = 0;
    for piece in pieces.iter_mut() {
        let len = (PIECE - at % PIECE).min(end.wrapping_sub(at));
        if len == 0 {
            break;
        }
        *piece = iovec { iov_base: at as *mut c_void, iov_len: len };
        at = at.wrapping_add(len);
        used += 1;
    }
    read(&pieces[..used], bytes)
}

/// Reads this process's memory, up to the first piece that is not mapped.
pub(super) fn read(pieces: &[iovec], bytes: &mut [u8]) -> Result<usize, c_int> {
    let into = iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: the kernel checks the addresses of the pieces; it writes only into exclusively
    // borrowed bytes.
    let len = unsafe {
        let process = libc::getpid();
        libc::process_vm_readv(process, &raw const into, 1, pieces.as_ptr(), pieces.len() as _, 0)
    };
    // SAFETY: errno's address is valid as long as the thread exists.
    usize::try_from(len).map_err(|_| unsafe { *libc::__errno_location() })
}

/// Why a stack could not be copied.
pub(super) fn describe(errno: c_int) -> &'static str {
    match errno {
        libc::EFAULT => "the thread's stack pointer is invalid",
        libc::EPERM | libc::ENOSYS => "process_vm_readv is not allowed here",
        _ => "the stack could not be copied",
    }
}
