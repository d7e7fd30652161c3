//! The panic of an `async fn` that is polled after its end. Its argument is the location of the
//! `async fn`, also in stripped programs.

use std::collections::HashSet;

use memchr::memmem;

use crate::{
    memory::{Memory, MemoryExt},
    process::modules::Module,
};

/// Maximum number of bytes of a section of code or text that are searched.
const MAX_SECTION: u64 = 1 << 28;
/// Maximum number of bytes of a section of pointers that are searched.
const MAX_POINTERS: u64 = 1 << 26;
/// The message of the panic.
const MESSAGE: &[u8] = b"`async fn` resumed after completion";
/// Maximum number of functions that raise the panic for others.
const MAX_RAISING: usize = 8;

/// How the code of a module raises the panic.
#[derive(Debug, Default)]
pub(crate) struct ResumedPanic {
    /// The functions that raise it.
    pub functions: HashSet<u64>,
    /// If the panic is inlined instead: the addresses by which code refers to its message.
    pub messages: HashSet<u64>,
}

impl ResumedPanic {
    /// Finds the functions by their name, or by their reference to the message. `function_start`
    /// returns the start of the function that contains an address.
    pub(crate) fn find(
        memory: &(impl Memory + ?Sized),
        module: &Module,
        function_start: impl Fn(u64) -> Option<u64>,
    ) -> ResumedPanic {
        let symbols = module.functions().iter().filter(|symbol| {
            symbol.name.contains("panic_const_async_fn_resumed")
                && !symbol.name.contains("resumed_panic")
                && !symbol.name.contains("resumed_drop")
        });
        let functions: HashSet<u64> =
            symbols.map(|symbol| symbol.address.wrapping_add(module.bias)).collect();
        if !functions.is_empty() {
            return ResumedPanic { functions, messages: HashSet::new() };
        }
        let messages = references_to_message(memory, module);
        let functions = functions_referring_to(&messages, memory, module, function_start);
        // Older compilers inline the panic into every `async fn`.
        match functions.len() > MAX_RAISING {
            true => ResumedPanic { functions: HashSet::new(), messages },
            false => ResumedPanic { functions, messages: HashSet::new() },
        }
    }
}

/// The addresses by which code may refer to the message.
fn references_to_message(memory: &(impl Memory + ?Sized), module: &Module) -> HashSet<u64> {
    let Some(text) = module.section(".rodata") else { return HashSet::new() };
    let bytes = memory.bytes(text.start, (text.end - text.start).min(MAX_SECTION) as usize);
    let messages: HashSet<u64> =
        memmem::find_iter(&bytes, MESSAGE).map(|offset| text.start + offset as u64).collect();
    // Formatting code refers to the message directly, with its length in front, or by a table.
    let mut references: HashSet<u64> =
        messages.iter().flat_map(|&message| [message, message - 1, message - 2]).collect();
    if messages.is_empty() {
        return references;
    }
    let sections = module.image.sections.iter();
    for section in sections.filter(|section| section.name.starts_with(".data.rel.ro")) {
        let Some(range) = module.section(&section.name) else { continue };
        let size = (range.end - range.start).min(MAX_POINTERS);
        let words = memory.words(range.start, (size / 8) as usize);
        let pointers = words.iter().enumerate().filter(|(_, word)| messages.contains(word));
        references.extend(pointers.map(|(index, _)| range.start + index as u64 * 8));
    }
    references
}

/// The functions whose code has a relative reference to one of `addresses`.
fn functions_referring_to(
    addresses: &HashSet<u64>,
    memory: &(impl Memory + ?Sized),
    module: &Module,
    function_start: impl Fn(u64) -> Option<u64>,
) -> HashSet<u64> {
    let mut functions = HashSet::new();
    let (Some(&first), Some(&last)) = (addresses.iter().min(), addresses.iter().max()) else {
        return functions;
    };
    for range in &module.code {
        let length = (range.end - range.start).min(MAX_SECTION) as usize;
        let code = memory.bytes(range.start, length);
        for (address, window) in (range.start..).zip(code.windows(4)) {
            let [a, b, c, d] = *window else { continue };
            let offset = i64::from(i32::from_le_bytes([a, b, c, d]));
            let target = (address + 4).wrapping_add_signed(offset);
            // A cheap test that excludes nearly all targets before the lookup.
            if (first..=last).contains(&target) && addresses.contains(&target) {
                functions.extend(function_start(address));
            }
        }
    }
    functions
}
