//! Facts about a stack from machine instructions (x86_64): calls, and the sizes of frames.

use crate::memory::{Memory, MemoryExt};

/// A call instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Of the code at this address.
    Direct(u64),
    /// Of code whose address was in a register or in memory.
    Indirect,
}

/// The call before `address`, if it is a return address.
pub(crate) fn call_before(memory: &(impl Memory + ?Sized), address: u64) -> Option<Call> {
    let code: [u8; 7] = *memory.bytes(address.checked_sub(7)?, 7).first_chunk()?;
    if let [_, _, 0xe8, offset @ ..] = code {
        let offset = i64::from(i32::from_le_bytes(offset));
        return Some(Call::Direct(address.wrapping_add_signed(offset)));
    }
    // The lengths that this instruction has, without a prefix.
    let is_indirect = |length: usize| {
        let opcode = 7 - length;
        code[opcode] == 0xff && (code[opcode + 1] >> 3) & 7 == 2
    };
    [2, 3, 4, 6, 7].into_iter().any(is_indirect).then_some(Call::Indirect)
}

/// How far the frame pointer is above the stack pointer in the body of the function that begins at
/// `start`; `None` if its first instructions do not determine it.
pub(crate) fn frame_size(memory: &(impl Memory + ?Sized), start: u64) -> Option<u64> {
    /// Enough for the longest of these sequences.
    const LENGTH: usize = 32;
    parse_prologue(&memory.bytes(start, LENGTH))
}

/// `push rbp; mov rbp, rsp`, any number of `push`, and `sub rsp, …` if it needs more.
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
    // `and rsp, …`: the frame is aligned, by a number of bytes that depends on the stack pointer.
    let is_aligned = matches!(code, [0x48, 0x81 | 0x83, 0xe4, ..]);
    (!is_aligned).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    #[test]
    fn first_instructions_determine_the_frame_size() {
        let begin = [0x55, 0x48, 0x89, 0xe5];
        let size = |rest: &[u8]| parse_prologue(&[&begin, rest].concat());
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

    #[test]
    fn calls_before_return_addresses() {
        let before = |code: &[u8]| {
            let mut bytes = vec![0x90; 16 - code.len()];
            bytes.extend(code);
            call_before(&Image::new([(0x1000, bytes)]), 0x1010)
        };
        assert_eq!(before(&[0xe8, 0x10, 0, 0, 0]), Some(Call::Direct(0x1020)));
        assert_eq!(before(&[0xe8, 0xf0, 0xff, 0xff, 0xff]), Some(Call::Direct(0x1000)));
        // call rax; call [rax + 0x20]; call [rip + 0x1000]
        assert_eq!(before(&[0xff, 0xd0]), Some(Call::Indirect));
        assert_eq!(before(&[0xff, 0x50, 0x20]), Some(Call::Indirect));
        assert_eq!(before(&[0xff, 0x15, 0, 0x10, 0, 0]), Some(Call::Indirect));
        // jmp rax
        assert_eq!(before(&[0xff, 0xe0]), None);
        assert_eq!(call_before(&Image::default(), 0x1010), None);
        assert_eq!(call_before(&Image::default(), 3), None);
    }
}
