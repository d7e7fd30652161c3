//! Boxed futures: the pointer pair of a `Box<dyn Future>` in memory.

use crate::{
    memory::{Memory, MemoryExt},
    process::modules::Module,
};

/// The addresses of the vtable and of the content of the box that begins at one of the first words
/// at `address`.
pub(crate) fn boxed_at(
    memory: &(impl Memory + ?Sized),
    module: &Module,
    address: u64,
) -> Option<(u64, u64)> {
    /// The tag of the task's stage precedes the box.
    const WORDS_SEARCHED: usize = 4;
    let words = memory.words(address, WORDS_SEARCHED);
    words.windows(2).find_map(|pair| {
        let &[content, vtable] = pair else { return None };
        if !module.range.contains(&vtable) || module.is_code(vtable) || content == 0 {
            return None;
        }
        let &[drop, size, alignment, poll] = memory.words(vtable, 4).first_chunk()?;
        let is_vtable = (drop == 0 || module.is_code(drop))
            && size < 1 << 24
            && alignment.is_power_of_two()
            && alignment <= 4096
            && module.is_code(poll);
        is_vtable.then_some((vtable, content))
    })
}
