//! Boxed futures: the pointer pair of a `Box<dyn Future>` in memory.

use crate::{
    memory::{Memory, MemoryExt},
    process::modules::Module,
};

/// The vtable of the box that begins at one of the first words at `address`, and its content.
pub(crate) fn boxed_at(
    memory: &(impl Memory + ?Sized),
    module: &Module,
    address: u64,
) -> Option<(u64, u64)> {
    /// Tag of the task's stage, then the box.
    const SEARCHED: usize = 4;
    let words = memory.words(address, SEARCHED);
    words.windows(2).find_map(|pair| {
        let &[content, table] = pair else { return None };
        if !module.range.contains(&table) || module.is_code(table) || content == 0 {
            return None;
        }
        let &[drop, size, alignment, poll] = memory.words(table, 4).first_chunk()?;
        let plausible = (drop == 0 || module.is_code(drop))
            && size < 1 << 24
            && alignment.is_power_of_two()
            && alignment <= 4096
            && module.is_code(poll);
        plausible.then_some((table, content))
    })
}
