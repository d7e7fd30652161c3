//! Decodes machine instructions: calls, system calls, and the sizes of frames.

use crate::copy::{Registers, copy_stack};

/// Reads the memory of a process: copies the bytes at an address into the buffer, and returns their
/// number, up to the first one that cannot be read.
pub(crate) type ReadMemory = dyn Fn(u64, &mut [u8]) -> usize + Send;

/// Reads the memory of this process.
pub(crate) fn own_memory(address: u64, bytes: &mut [u8]) -> usize {
    copy_stack(address, bytes).unwrap_or(0)
}

/// A call instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Calls the code at this address.
    Direct(u64),
    /// Calls code whose address was in a register or in memory.
    Indirect,
}

impl Registers {
    /// Whether these registers, in a signal handler, are those of a system call that returns `EINTR`.
    pub fn call_was_interrupted(&self) -> bool {
        self.result.cast_signed() == -i64::from(libc::EINTR) && is_after_system_call(self.ip)
    }
}

/// The `N` bytes at `address`, if they can be read.
fn bytes_at<const N: usize>(read: &ReadMemory, address: u64) -> Option<[u8; N]> {
    let mut code = [0; N];
    (read(address, &mut code) == N).then_some(code)
}

/// The `N` bytes before `address`, if they can be read.
fn bytes_before<const N: usize>(read: &ReadMemory, address: u64) -> Option<[u8; N]> {
    bytes_at(read, address.checked_sub(N as u64)?)
}

/// The distance from the stack pointer up to the frame pointer in the body of the function at
/// `start`; `None` if its first instructions do not determine it.
#[cfg(target_arch = "x86_64")]
pub(super) fn frame_size(read: &ReadMemory, start: u64) -> Option<u64> {
    parse_prologue(&bytes_at::<32>(read, start)?)
}

/// Decodes `push rbp; mov rbp, rsp`, any number of `push`, and an optional `sub rsp, …`.
#[cfg(target_arch = "x86_64")]
fn parse_prologue(code: &[u8]) -> Option<u64> {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    let code = code.strip_prefix(&ENDBR64).unwrap_or(code);
    let mut code = code.strip_prefix(&[0x55, 0x48, 0x89, 0xe5])?;
    let mut size = 0;
    while let [0x50..=0x57, rest @ ..] | [0x41, 0x50..=0x57, rest @ ..] = code {
        (size, code) = (size + 8, rest);
    }
    match code {
        [0x48, 0x81, 0xec, a, b, c, d, rest @ ..] => {
            (size, code) = (size + u64::from(u32::from_le_bytes([*a, *b, *c, *d])), rest);
        }
        [0x48, 0x83, 0xec, more @ ..0x80, rest @ ..] => {
            (size, code) = (size + u64::from(*more), rest);
        }
        _ => {}
    }
    // `and rsp, …` aligns the frame, by a number of bytes that depends on the stack pointer.
    let is_aligned = matches!(code, [0x48, 0x81 | 0x83, 0xe4, ..]);
    (!is_aligned).then_some(size)
}

/// Always `None` on this architecture: the frame pointer may be anywhere in the frame.
#[cfg(target_arch = "aarch64")]
pub(super) fn frame_size(_read: &ReadMemory, _start: u64) -> Option<u64> {
    None
}

/// The call before `address`, if it is a return address.
#[cfg(target_arch = "x86_64")]
pub(super) fn call_before(read: &ReadMemory, address: u64) -> Option<Call> {
    let code = bytes_before::<7>(read, address)?;
    if let [_, _, 0xe8, offset @ ..] = code {
        let offset = i64::from(i32::from_le_bytes(offset));
        return Some(Call::Direct(address.wrapping_add_signed(offset)));
    }
    // The possible lengths of this instruction, without a prefix.
    let is_indirect = |len: usize| code[7 - len] == 0xff && (code[8 - len] >> 3) & 7 == 2;
    [2, 3, 4, 6, 7].into_iter().any(is_indirect).then_some(Call::Indirect)
}

#[cfg(target_arch = "x86_64")]
fn is_after_system_call(address: u64) -> bool {
    bytes_before(&own_memory, address) == Some([0x0f, 0x05])
}

/// The call before `address`, if it is a return address.
#[cfg(target_arch = "aarch64")]
pub(super) fn call_before(read: &ReadMemory, address: u64) -> Option<Call> {
    let instruction = instruction_before(read, address)?;
    if instruction >> 26 == 0b10_0101 {
        // The lower 26 bits, in instructions.
        let offset = i64::from((instruction << 6).cast_signed() >> 6) * 4;
        return Some(Call::Direct(address.wrapping_sub(4).wrapping_add_signed(offset)));
    }
    (instruction & 0xffff_fc1f == 0xd63f_0000).then_some(Call::Indirect)
}

#[cfg(target_arch = "aarch64")]
fn is_after_system_call(address: u64) -> bool {
    instruction_before(&own_memory, address) == Some(0xd400_0001)
}

#[cfg(target_arch = "aarch64")]
fn instruction_before(read: &ReadMemory, address: u64) -> Option<u32> {
    bytes_before(read, address).map(u32::from_le_bytes)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::{Call, call_before, parse_prologue};

    #[test]
    fn call_before_decodes_calls() {
        let before = |code: &[u8]| {
            let mut bytes = vec![0x90; 16 - code.len()];
            bytes.extend(code);
            let read = move |address: u64, buffer: &mut [u8]| {
                let rest = bytes.get((address - 0x1000) as usize..).unwrap_or_default();
                let len = rest.len().min(buffer.len());
                buffer[..len].copy_from_slice(&rest[..len]);
                len
            };
            call_before(&read, 0x1010)
        };
        assert_eq!(before(&[0xe8, 0x10, 0, 0, 0]), Some(Call::Direct(0x1020)));
        assert_eq!(before(&[0xe8, 0xf0, 0xff, 0xff, 0xff]), Some(Call::Direct(0x1000)));
        // call rax; call [rax + 0x20]; call [rip + 0x1000]
        assert_eq!(before(&[0xff, 0xd0]), Some(Call::Indirect));
        assert_eq!(before(&[0xff, 0x50, 0x20]), Some(Call::Indirect));
        assert_eq!(before(&[0xff, 0x15, 0, 0x10, 0, 0]), Some(Call::Indirect));
        // jmp rax
        assert_eq!(before(&[0xff, 0xe0]), None);
        let unreadable = |_: u64, _: &mut [u8]| 0;
        assert_eq!(call_before(&unreadable, 0x1010), None);
        assert_eq!(call_before(&unreadable, 3), None);
    }

    #[test]
    fn parse_prologue_computes_the_frame_size() {
        let start = [0x55, 0x48, 0x89, 0xe5];
        let size = |rest: &[u8]| parse_prologue(&[&start, rest].concat());
        // push r15; push rbx; sub rsp, 0x118; mov …
        assert_eq!(
            size(&[0x41, 0x57, 0x53, 0x48, 0x81, 0xec, 0x18, 1, 0, 0, 0x48, 0x89]),
            Some(16 + 0x118)
        );
        // push rax; call …
        assert_eq!(size(&[0x50, 0xe8, 0, 0, 0, 0]), Some(8));
        assert_eq!(size(&[0x48, 0x83, 0xec, 0x20, 0xc3]), Some(0x20));
        // and rsp, -32
        assert_eq!(size(&[0x48, 0x83, 0xe4, 0xe0, 0x48, 0x83, 0xec, 0x20]), None);
        // push rbx; sub rsp, 0x20: a function without a frame pointer.
        assert_eq!(parse_prologue(&[0x53, 0x48, 0x83, 0xec, 0x20]), None);
        assert_eq!(parse_prologue(&[]), None);
    }
}
