//! The unwinder for the stacks of a process: its modules, and how to read its memory.

use std::{ops::Range, path::Path, sync::Arc};

use asynctop_stack::{Module as Code, UnwindTables, Unwinder};
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

/// Unwind tables larger than this are not read.
const MAX_TABLE: u64 = 1 << 28;
/// The kernel's page of code is smaller.
const MAX_VDSO: u64 = 1 << 16;

/// An unwinder with the tables of all modules.
pub(crate) fn unwinder(identity: &Arc<Identity>, maps: &Maps, modules: &[Module]) -> Unwinder {
    let vdso = maps.iter().find(|mapping| mapping.name == "[vdso]");
    let vdso = vdso.and_then(|mapping| kernel_code(identity, mapping));
    let modules = modules.iter().map(|module| code(identity, module)).chain(vdso);
    let identity = Arc::clone(identity);
    Unwinder::of_process(modules.collect(), move |at, bytes| identity.read(at, bytes))
}

fn code(memory: &impl Memory, module: &Module) -> Code {
    let ranges = || module.code.iter();
    let start = ranges().map(|range| range.start).min().unwrap_or(0);
    let end = ranges().map(|range| range.end).max().unwrap_or(0);
    let read = |name| {
        let range = module.section(name)?;
        let length = range.end.checked_sub(range.start).filter(|size| *size <= MAX_TABLE)?;
        Some((Arc::from(memory.bytes(range.start, length as usize)), range.start))
    };
    let tables = || {
        let (index, index_at) = read(".eh_frame_hdr")?;
        let (frames, frames_at) = read(".eh_frame")?;
        Some(UnwindTables { index, index_at, frames, frames_at })
    };
    Code {
        path: Path::new(&module.path).to_owned(),
        range: module.range.clone(),
        code: start..end,
        base: module.bias,
        tables: tables(),
        first_functions: first_functions(module),
    }
}

/// The code that the kernel maps into every process, which reads clocks. It has no file.
fn kernel_code(memory: &impl Memory, mapping: &Mapping) -> Option<Code> {
    let bytes = memory.bytes(mapping.range.start, mapping.length().min(MAX_VDSO) as usize);
    let parsed = ElfFile64::<Endianness, _>::parse(bytes.as_slice()).ok()?;
    let first = parsed.segments().map(|segment| segment.address()).min()?;
    let base = mapping.range.start.wrapping_sub(first);
    let read = |name| {
        let section = parsed.section_by_name(name)?;
        let address = base.wrapping_add(section.address());
        Some((Arc::from(section.data().ok()?), address))
    };
    let tables = || {
        let (index, index_at) = read(".eh_frame_hdr")?;
        let (frames, frames_at) = read(".eh_frame")?;
        Some(UnwindTables { index, index_at, frames, frames_at })
    };
    Some(Code {
        path: Path::new(&mapping.name).to_owned(),
        range: mapping.range.clone(),
        code: mapping.range.clone(),
        base,
        tables: tables(),
        first_functions: Vec::new(),
    })
}

/// Code of a module in which a thread may begin. The unwind tables of glibc state this, too.
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
    let named =
        module.functions().iter().filter(|symbol| FUNCTIONS.contains(&symbol.name.as_str()));
    let named = named.map(|symbol| {
        let start = module.bias.wrapping_add(symbol.address);
        start..start.saturating_add(symbol.size)
    });
    named.chain(std::iter::once(entry..entry.saturating_add(64))).collect()
}
