//! The ranges of functions, also in stripped programs: from the index of the unwind table.

use crate::{
    memory::{Memory, MemoryExt},
    process::modules::Module,
};

/// Maximum size of a function whose end is not known.
pub(super) const MAX_FUNCTION_BYTES: u64 = 1 << 18;

/// The encoding that all linkers write: version 1; addresses in 4 bytes, relative to the index; a
/// sorted table.
const HEADER: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// Start and size of each function, by address, from the index of the unwind table.
pub(crate) fn functions(memory: &(impl Memory + ?Sized), module: &Module) -> Vec<(u64, u64)> {
    const MAX_ENTRIES: usize = 1 << 22;
    let Some(range) = module.section(".eh_frame_hdr") else { return Vec::new() };
    let bytes = memory.bytes(range.start, (range.end - range.start).min(1 << 26) as usize);
    let Some(entries) = bytes.get(12..).filter(|_| bytes.starts_with(&HEADER)) else {
        return Vec::new();
    };
    let frames = module.section(".eh_frame").map(|range| {
        let length = (range.end - range.start).min(1 << 28) as usize;
        (range.start, memory.bytes(range.start, length))
    });
    let absolute =
        |bytes: [u8; 4]| range.start.wrapping_add_signed(i32::from_le_bytes(bytes).into());
    // The frame's description: length, pointer to the common part, start of the function, size.
    let size = |description: u64| {
        let (start, bytes) = frames.as_ref()?;
        let offset = description.checked_sub(*start)? as usize;
        let size = bytes.get(offset.checked_add(12)?..)?.first_chunk()?;
        Some(u64::from(u32::from_le_bytes(*size)))
    };
    let (entries, _) = entries.as_chunks::<8>();
    let mut functions: Vec<(u64, u64)> = entries
        .iter()
        .take(MAX_ENTRIES)
        .map(|&[a, b, c, d, e, f, g, h]| {
            (absolute([a, b, c, d]), size(absolute([e, f, g, h])).unwrap_or(0))
        })
        .collect();
    functions.sort_unstable();
    // A function of unknown size ends at the next one.
    for index in 0..functions.len() {
        let next = functions.get(index + 1).map_or(u64::MAX, |next| next.0);
        let (start, size) = functions[index];
        if size == 0 || size > next - start {
            functions[index].1 = (next - start).min(MAX_FUNCTION_BYTES);
        }
    }
    functions
}
