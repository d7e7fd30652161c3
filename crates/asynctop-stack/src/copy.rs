//! Copies of a thread's registers and stack.
#![allow(unsafe_code)]

use std::{error, fmt, ptr};

use libc::{c_int, c_void, iovec};

/// The size of a piece of a copy. Divides the page size, so that a piece lies within one page.
const PIECE: usize = 4096;
/// The number of pieces per system call. The first one may be shorter.
const PIECES: usize = 17;

/// The registers that unwinding starts from.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// The instruction pointer.
    pub ip: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer, or [`UNKNOWN`](Self::UNKNOWN).
    pub fp: u64,
    /// The link register, or [`UNKNOWN`](Self::UNKNOWN).
    #[cfg(target_arch = "aarch64")]
    pub lr: u64,
    /// The register in which a system call returns its result, or [`UNKNOWN`](Self::UNKNOWN).
    pub result: u64,
}

impl Registers {
    /// The value of an unknown register. It is not the address of a frame or of code.
    pub const UNKNOWN: u64 = 1;

    /// The instruction pointer and the stack pointer; all others are unknown.
    pub const fn pointers(ip: u64, sp: u64) -> Self {
        Registers {
            ip,
            sp,
            fp: Self::UNKNOWN,
            #[cfg(target_arch = "aarch64")]
            lr: Self::UNKNOWN,
            result: Self::UNKNOWN,
        }
    }
}

/// The registers of a thread, and a copy of its stack.
#[derive(Clone, Copy, Debug)]
pub struct StackCopy<'a> {
    /// The registers at the time of the copy.
    pub registers: Registers,
    /// The bytes from the stack pointer up.
    pub bytes: &'a [u8],
    /// Whether the stack may continue beyond the copy, because the copy filled its buffer.
    pub is_full: bool,
}

impl StackCopy<'_> {
    /// The word at `address` on the thread's stack, if it was copied.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.registers.sp)?).ok()?;
        Some(u64::from_ne_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }

    /// The address at which the copy ends.
    pub(crate) fn end(&self) -> u64 {
        self.registers.sp.wrapping_add(self.bytes.len() as u64)
    }
}

/// An error of [`copy_stack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyError {
    errno: c_int,
}

impl CopyError {
    /// The reason, as a sentence without a period.
    pub fn reason(self) -> &'static str {
        match self.errno {
            libc::EFAULT => "the thread's stack pointer is invalid",
            libc::EPERM | libc::ENOSYS => "process_vm_readv is not allowed here",
            _ => "the stack could not be copied",
        }
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl error::Error for CopyError {}

/// Copies this process's memory from the stack pointer `sp` up into `bytes`, as far as memory is
/// mapped, and returns the number of bytes. May be called in a signal handler: it makes only system
/// calls. Changes `errno`.
///
/// The kernel copies, because only it can stop without a fault at the end of any stack: that of a
/// thread, of a coroutine, or one on the heap.
///
/// # Errors
/// If nothing is mapped at `sp`, or the system call `process_vm_readv` is not allowed.
pub fn copy_stack(sp: u64, bytes: &mut [u8]) -> Result<usize, CopyError> {
    let mut copied = 0;
    loop {
        let rest = &mut bytes[copied..];
        let mut pieces = [iovec { iov_base: ptr::null_mut(), iov_len: 0 }; PIECES];
        let (mut requested, mut used) = (0, 0);
        for piece in &mut pieces {
            let at = (sp as usize).wrapping_add(copied + requested);
            let len = (PIECE - at % PIECE).min(rest.len() - requested);
            if len == 0 {
                break;
            }
            *piece = iovec { iov_base: at as *mut c_void, iov_len: len };
            requested += len;
            used += 1;
        }
        let len = match read(&pieces[..used], &mut rest[..requested]) {
            Ok(len) => len,
            Err(error) if copied == 0 => return Err(error),
            Err(_) => 0,
        };
        copied += len;
        if len < requested || copied == bytes.len() {
            return Ok(copied);
        }
    }
}

/// Reads this process's memory, up to the first piece that is not mapped.
fn read(pieces: &[iovec], bytes: &mut [u8]) -> Result<usize, CopyError> {
    let into = iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: the kernel checks the addresses of the pieces, and writes only into `bytes`, which is
    // borrowed exclusively.
    let len = unsafe {
        let process = libc::getpid();
        libc::process_vm_readv(process, &raw const into, 1, pieces.as_ptr(), pieces.len() as _, 0)
    };
    // SAFETY: the address of errno is valid as long as the thread exists.
    usize::try_from(len).map_err(|_| CopyError { errno: unsafe { *libc::__errno_location() } })
}
