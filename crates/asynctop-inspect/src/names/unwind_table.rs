//! The ranges of functions, also in stripped programs: from the index of the unwind table.

use crate::{
    memory::{Memory, MemoryExt},
    process::modules::Module,
};

/// A function whose size is not known ends before the next one, and is no larger than this.
const MAX_FUNCTION_BYTES: u64 = 1 << 18;

/// The layout that all linkers write: version 1; addresses as 4 bytes relative to their place (the
/// table) or to the index; sorted.
const HEADER: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// Beginnings and sizes of functions, from the index of the unwind table.
pub(crate) fn functions(memory: &(impl Memory + ?Sized), module: &Module) -> Vec<(u64, u64)> {
    const MAX_ENTRIES: usize = 1 << 22;
    let Some(range) = module.section(".eh_frame_hdr") else { return Vec::new() };
    let index = memory.bytes(range.start, (range.end - range.start).min(1 << 26) as usize);
    let Some(entries) = index.get(12..).filter(|_| index.starts_with(&HEADER)) else {
        return Vec::new();
    };
    let frames = module.section(".eh_frame");
    let frames_bytes = frames.as_ref().map(|frames| {
        memory.bytes(frames.start, (frames.end - frames.start).min(1 << 28) as usize)
    });
    let relative =
        |bytes: [u8; 4]| range.start.wrapping_add_signed(i32::from_le_bytes(bytes).into());
    let (entries, _) = entries.as_chunks::<8>();
    let mut starts: Vec<(u64, u64)> = entries
        .iter()
        .take(MAX_ENTRIES)
        .map(|&[a, b, c, d, e, f, g, h]| {
            let (start, entry) = (relative([a, b, c, d]), relative([e, f, g, h]));
            // Length, parent, beginning, size.
            let size = frames.as_ref().zip(frames_bytes.as_ref()).and_then(|(frames, bytes)| {
                let at = entry.checked_sub(frames.start)? as usize;
                let size = bytes.get(at.checked_add(12)?..)?.first_chunk()?;
                Some(u64::from(u32::from_le_bytes(*size)))
            });
            (start, size.unwrap_or(0))
        })
        .collect();
    starts.sort_unstable();
    for at in 0..starts.len() {
        let next = starts.get(at + 1).map_or(u64::MAX, |next| next.0);
        let (start, size) = starts[at];
        if size == 0 || size > next - start {
            starts[at].1 = (next - start).min(MAX_FUNCTION_BYTES);
        }
    }
    starts
}
