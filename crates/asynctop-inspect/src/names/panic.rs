//! The panic of an `async fn` that is polled after its end. Its argument is the location of the
//! `async fn`, also in stripped programs.

use std::collections::HashSet;

use memchr::memmem;

use crate::{
    memory::{Memory, MemoryExt},
    process::modules::Module,
};

/// Maximum number of bytes of code searched for the panic.
const MAX_CODE: u64 = 1 << 28;
/// Maximum number of bytes of tables that are searched for the text.
const MAX_DATA: u64 = 1 << 26;
/// The text that the panic prints.
const RESUMED: &[u8] = b"`async fn` resumed after completion";
/// Maximum number of functions that raise the panic for others.
const MAX_RAISING: usize = 8;

/// How the code of a module raises the panic.
#[derive(Debug, Default)]
pub(crate) struct Panic {
    /// The function that raises it.
    pub functions: HashSet<u64>,
    /// Without such a function: constants near whose references the panic is raised inline.
    pub texts: HashSet<u64>,
}

impl Panic {
    /// Finds the function by its name, or by the text that it prints. `start_of` is the beginning
    /// of the function that an address is in.
    pub(crate) fn find(
        memory: &(impl Memory + ?Sized),
        module: &Module,
        start_of: impl Fn(u64) -> Option<u64>,
    ) -> Panic {
        let named = module.functions().iter().filter(|symbol| {
            symbol.name.contains("panic_const_async_fn_resumed")
                && !symbol.name.contains("resumed_panic")
                && !symbol.name.contains("resumed_drop")
        });
        let named: HashSet<u64> =
            named.map(|symbol| symbol.address.wrapping_add(module.bias)).collect();
        if !named.is_empty() {
            return Panic { functions: named, texts: HashSet::new() };
        }
        let Some(data) = module.section(".rodata") else { return Panic::default() };
        let bytes = memory.bytes(data.start, (data.end - data.start).min(MAX_CODE) as usize);
        let texts: HashSet<u64> =
            memmem::find_iter(&bytes, RESUMED).map(|at| data.start + at as u64).collect();
        if texts.is_empty() {
            return Panic::default();
        }
        // Formatting code refers to the text directly, with its length in front, or by a table.
        let mut referred = texts.clone();
        referred.extend(texts.iter().map(|at| at - 1));
        referred.extend(texts.iter().map(|at| at - 2));
        let sections = module.image.sections.iter();
        for section in sections.filter(|section| section.name.starts_with(".data.rel.ro")) {
            let Some(range) = module.section(&section.name) else { continue };
            let size = (range.end - range.start).min(MAX_DATA);
            let words = memory.words(range.start, (size / 8) as usize);
            let table = words.iter().enumerate().filter(|(_, word)| texts.contains(word));
            referred.extend(table.map(|(index, _)| range.start + index as u64 * 8));
        }
        let (Some(&first), Some(&last)) = (referred.iter().min(), referred.iter().max()) else {
            return Panic::default();
        };
        let mut users = HashSet::new();
        for range in &module.code {
            let length = (range.end - range.start).min(MAX_CODE) as usize;
            let code = memory.bytes(range.start, length);
            for (at, window) in code.windows(4).enumerate() {
                let [a, b, c, d] = *window else { continue };
                let offset = i64::from(i32::from_le_bytes([a, b, c, d]));
                let next = range.start + at as u64 + 4;
                let target = next.wrapping_add_signed(offset);
                // A cheap test that excludes nearly all targets before the lookup.
                if (first..=last).contains(&target) && referred.contains(&target) {
                    users.extend(start_of(range.start + at as u64));
                }
            }
        }
        // Older compilers inline the panic into every `async fn`.
        match users.len() > MAX_RAISING {
            true => Panic { functions: HashSet::new(), texts: referred },
            false => Panic { functions: users, texts: HashSet::new() },
        }
    }
}
