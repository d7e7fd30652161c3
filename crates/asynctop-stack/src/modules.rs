//! The modules of this process: the ranges of their code, and their unwind tables.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, OsStr},
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    slice,
    sync::Arc,
};

use framehop::{ExplicitModuleSectionInfo, Module};

/// Unwind tables. Copied, because a module may be unloaded while another thread's stack is unwound.
pub(crate) type Tables = Arc<[u8]>;

/// A file whose code is loaded.
#[derive(Clone)]
pub(crate) struct CodeModule {
    /// The addresses that it takes up.
    pub range: Range<u64>,
    /// The addresses of its code.
    code: Range<u64>,
    functions: Option<FunctionStarts>,
    /// What to add to the file's own addresses.
    pub base: u64,
    /// Where to read it from.
    pub path: PathBuf,
}

/// Start addresses of a module's functions: the index of its unwind tables.
#[derive(Clone)]
struct FunctionStarts {
    /// The index, and its address.
    index: Tables,
    index_at: u64,
}

impl FunctionStarts {
    /// The beginning of the function that `address` is in.
    fn of(&self, address: u64) -> Option<u64> {
        /// An address of the tables, their number, and pairs of addresses that are relative to
        /// the index and sorted: what all linkers write.
        const LAYOUT: [u8; 4] = [1, PCREL_SDATA4, 0x03, 0x3b];
        let (layout, rest) = self.index.split_first_chunk::<4>()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let pairs = rest.as_chunks::<8>().0.get(..u32::from_ne_bytes(*count) as usize)?;
        let start = |pair: &[u8; 8]| {
            let [a, b, c, d, ..] = *pair;
            self.index_at.wrapping_add_signed(i64::from(i32::from_ne_bytes([a, b, c, d])))
        };
        let after = pairs.partition_point(|pair| start(pair) <= address);
        (*layout == LAYOUT).then(|| pairs.get(after.checked_sub(1)?).map(start))?
    }
}

/// Relative to its own place, four bytes, signed.
const PCREL_SDATA4: u8 = 0x1b;

/// The program and the shared libraries that are loaded into this process.
#[derive(Clone, Default)]
pub struct Modules {
    /// The numbers of modules that were ever loaded and unloaded. In another version, an address
    /// may belong to other code.
    pub(crate) version: (u64, u64),
    list: Vec<CodeModule>,
}

impl Modules {
    /// The modules that are loaded now, and those that have unwind tables with them; `None` if
    /// they are the same as these.
    pub(crate) fn changed(&self) -> Option<(Modules, Vec<Module<Tables>>)> {
        let mut walk = Walk { known: self.version, found: None };
        // SAFETY: `visit` gets the walk back, which lives during the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut walk).cast()) };
        walk.found
    }

    /// The module that `address` is in.
    pub(crate) fn find(&self, address: u64) -> Option<&CodeModule> {
        self.list.iter().find(|module| module.range.contains(&address))
    }

    /// The beginning of the function that `address` is in.
    pub(crate) fn function(&self, address: u64) -> Option<u64> {
        self.find(address)?.functions.as_ref()?.of(address)
    }

    pub(crate) fn is_code(&self, address: u64) -> bool {
        self.list.iter().any(|module| module.code.contains(&address))
    }
}

/// A walk over the loaded modules.
struct Walk {
    /// The walk ends at once if the modules have this version.
    known: (u64, u64),
    /// The modules visited so far.
    found: Option<(Modules, Vec<Module<Tables>>)>,
}

/// The C library calls this for each module, while none can be loaded or unloaded.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    walk: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: `changed` hands the walk in and waits for its end.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    // SAFETY: valid during the call.
    let info = unsafe { &*info };
    let version = (info.dlpi_adds, info.dlpi_subs);
    if version == walk.known {
        return 1;
    }
    let (modules, tables) =
        walk.found.get_or_insert_with(|| (Modules { version, ..Modules::default() }, Vec::new()));
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    let headers =
        // SAFETY: the module's program headers are in memory as long as it is.
        unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let name = match info.dlpi_name.is_null() {
        true => c"",
        // SAFETY: a C string, valid during the call.
        false => unsafe { CStr::from_ptr(info.dlpi_name) },
    };
    let loaded = Loaded { base: info.dlpi_addr, name, headers };
    if let Some(module) = loaded.code_module() {
        tables.extend(loaded.unwind_module(&module));
        modules.list.push(module);
    }
    0
}

/// A module in memory, during a walk.
struct Loaded<'a> {
    /// What to add to the addresses in the headers.
    base: u64,
    /// Empty for the program itself.
    name: &'a CStr,
    headers: &'a [libc::Elf64_Phdr],
}

impl<'a> Loaded<'a> {
    fn code_module(&self) -> Option<CodeModule> {
        let functions = self.index();
        let functions =
            functions.map(|(index, index_at)| FunctionStarts { index: index.into(), index_at });
        Some(CodeModule {
            range: self.range(0)?,
            code: self.range(libc::PF_X).unwrap_or(0..0),
            functions,
            base: self.base,
            path: self.path(),
        })
    }

    /// The module with its unwind tables, if it has them.
    fn unwind_module(&self, module: &CodeModule) -> Option<Module<Tables>> {
        let FunctionStarts { index, index_at } = module.functions.clone()?;
        let (frames, frames_at) = self.frames(&index, index_at)?;
        let at = |address: u64, bytes: &[u8]| {
            let start = address.wrapping_sub(self.base);
            start..start + bytes.len() as u64
        };
        let sections = ExplicitModuleSectionInfo {
            eh_frame_hdr_svma: Some(at(index_at, &index)),
            eh_frame_svma: Some(at(frames_at, frames)),
            eh_frame_hdr: Some(index),
            eh_frame: Some(frames.into()),
            ..ExplicitModuleSectionInfo::default()
        };
        let name = module.path.to_string_lossy().into_owned();
        Some(Module::new(name, module.range.clone(), self.base, sections))
    }

    fn path(&self) -> PathBuf {
        match self.name.to_bytes() {
            [] => PathBuf::from("/proc/self/exe"),
            name => PathBuf::from(OsStr::from_bytes(name)),
        }
    }

    fn loaded(&self) -> impl Iterator<Item = &'a libc::Elf64_Phdr> {
        self.headers.iter().filter(|header| header.p_type == libc::PT_LOAD)
    }

    /// The addresses of the segments that have all of these flags.
    fn range(&self, flags: u32) -> Option<Range<u64>> {
        let wanted = || self.loaded().filter(|header| header.p_flags & flags == flags);
        let start = wanted().map(|header| header.p_vaddr).min()?;
        let end = wanted().map(|header| header.p_vaddr + header.p_memsz).max()?;
        Some(self.base.wrapping_add(start)..self.base.wrapping_add(end))
    }

    /// The index of the unwind tables, and its address.
    fn index(&self) -> Option<(&'a [u8], u64)> {
        let header = self.headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME)?;
        self.memory(self.base.wrapping_add(header.p_vaddr))
            .map(|(bytes, at)| (&bytes[..bytes.len().min(header.p_memsz as usize)], at))
    }

    /// The unwind tables that the index at `index_at` leads to, and their address. They
    /// end within the segment, which says so itself: the rest of it does no harm.
    fn frames(&self, index: &[u8], index_at: u64) -> Option<(&'a [u8], u64)> {
        let [1, PCREL_SDATA4, _, _, offset @ ..] = index else { return None };
        let offset = i64::from(i32::from_ne_bytes(*offset.first_chunk()?));
        self.memory(index_at.wrapping_add(4).wrapping_add_signed(offset))
    }

    /// What is in memory from `address` to the end of its segment.
    fn memory(&self, address: u64) -> Option<(&'a [u8], u64)> {
        let wanted = address.wrapping_sub(self.base);
        let readable = |header: &&libc::Elf64_Phdr| {
            let range = header.p_vaddr..header.p_vaddr + header.p_filesz;
            header.p_flags & libc::PF_R != 0 && range.contains(&wanted)
        };
        let segment = self.loaded().find(readable)?;
        let len = usize::try_from(segment.p_vaddr + segment.p_filesz - wanted).ok()?;
        // SAFETY: within a segment that is mapped for reading while the walk is on, and
        // its tables are never written to.
        Some((unsafe { slice::from_raw_parts(address as *const u8, len) }, address))
    }
}
