//! The unwinder for the stacks of a process.

use std::{ops::Range, path::Path, sync::Arc};

use asynctop_stack::{Module as StackModule, UnwindTables, Unwinder};
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSegment as _, read::elf::ElfFile64,
};

use crate::{
    memory::{Memory, MemoryExt},
    process::{
        identity::Identity,
        maps::{Mapping, Maps},
        modules::Module,
    },
};

/// Maximum size of an unwind table.
const MAX_TABLE: u64 = 1 << 28;
/// Upper bound of the size of the kernel's code that is mapped into every process (vDSO).
const MAX_VDSO: u64 = 1 << 16;

/// An unwinder with the tables of all modules.
pub(crate) fn unwinder(identity: &Arc<Identity>, maps: &Maps, modules: &[Module]) -> Unwinder {
    let vdso = maps.iter().find(|mapping| mapping.name == "[vdso]");
    let vdso = vdso.and_then(|mapping| vdso_module(&**identity, mapping));
    let modules = modules.iter().map(|module| stack_module(&**identity, module)).chain(vdso);
    let identity = Arc::clone(identity);
    Unwinder::of_process(modules.collect(), move |address, bytes| identity.read(address, bytes))
}

fn stack_module(memory: &impl Memory, module: &Module) -> StackModule {
    let ranges = || module.code.iter();
    let start = ranges().map(|range| range.start).min().unwrap_or(0);
    let end = ranges().map(|range| range.end).max().unwrap_or(0);
    StackModule {
        path: Path::new(&module.path).to_owned(),
        range: module.range.clone(),
        code: start..end,
        base: module.bias,
        tables: tables(|name| {
            let range = module.section(name)?;
            let length = range.end.checked_sub(range.start).filter(|size| *size <= MAX_TABLE)?;
            Some((Arc::from(memory.bytes(range.start, length as usize)), range.start))
        }),
        first_functions: first_functions(module),
    }
}

/// The vDSO, which reads clocks. It has no file, so its sections are read from memory.
fn vdso_module(memory: &impl Memory, mapping: &Mapping) -> Option<StackModule> {
    let bytes = memory.bytes(mapping.range.start, mapping.length().min(MAX_VDSO) as usize);
    let parsed = ElfFile64::<Endianness, _>::parse(bytes.as_slice()).ok()?;
    let first = parsed.segments().map(|segment| segment.address()).min()?;
    let base = mapping.range.start.wrapping_sub(first);
    Some(StackModule {
        path: Path::new(&mapping.name).to_owned(),
        range: mapping.range.clone(),
        code: mapping.range.clone(),
        base,
        tables: tables(|name| {
            let section = parsed.section_by_name(name)?;
            Some((Arc::from(section.data().ok()?), base.wrapping_add(section.address())))
        }),
        first_functions: Vec::new(),
    })
}

/// The unwind tables of a module. `read` returns the content and the address of a section.
fn tables(read: impl Fn(&str) -> Option<(Arc<[u8]>, u64)>) -> Option<UnwindTables> {
    let (index, index_at) = read(".eh_frame_hdr")?;
    let (frames, frames_at) = read(".eh_frame")?;
    Some(UnwindTables { index, index_at, frames, frames_at })
}

/// The parts of a module's code in which a thread may begin. glibc's unwind tables mark them, too.
fn first_functions(module: &Module) -> Vec<Range<u64>> {
    const LIBRARIES: [&str; 4] = ["libc.so", "libc-", "libpthread", "ld-musl"];
    /// In static programs; the last two are musl's.
    const FUNCTIONS: [&str; 8] = [
        "start_thread",
        "clone",
        "__clone",
        "__clone3",
        "clone3",
        "__libc_start_main",
        "libc_start_main_stage2",
        "start",
    ];
    if LIBRARIES.iter().any(|library| module.name().starts_with(library)) {
        return module.code.clone();
    }
    if !module.is_main {
        return Vec::new();
    }
    let entry = module.bias.wrapping_add(module.image.entry);
    let symbols = module.functions().iter();
    symbols
        .filter(|symbol| FUNCTIONS.contains(&symbol.name.as_str()))
        .map(|symbol| {
            let start = module.bias.wrapping_add(symbol.address);
            start..start.saturating_add(symbol.size)
        })
        .chain(std::iter::once(entry..entry.saturating_add(64)))
        .collect()
}
