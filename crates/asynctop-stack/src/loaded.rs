//! The modules that are loaded into this process, from the C library.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, OsStr},
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    slice,
};

use crate::modules::{Module, Modules, PCREL_SDATA4, UnwindTables};

/// The modules that are loaded now; `None` if they have not changed since this version.
pub(crate) fn modules_since(version: (u64, u64)) -> Option<Modules> {
    let mut walk = Walk { known_version: version, modules: None };
    // SAFETY: `visit` gets the walk back, which lives during the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut walk).cast()) };
    walk.modules
}

/// A walk over the loaded modules.
struct Walk {
    /// The walk ends at once if the modules have this version.
    known_version: (u64, u64),
    /// The modules visited so far.
    modules: Option<Modules>,
}

/// Called by the C library for each module, while no module can be loaded or unloaded.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    walk: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: `modules_since` passes the walk, which outlives the call.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    // SAFETY: valid during the call.
    let info = unsafe { &*info };
    let version = (info.dlpi_adds, info.dlpi_subs);
    if version == walk.known_version {
        return 1;
    }
    let modules = walk.modules.get_or_insert_with(|| Modules { version, ..Modules::default() });
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    let headers =
        // SAFETY: the program headers of a module are in memory as long as the module.
        unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let name = match info.dlpi_name.is_null() {
        true => c"",
        // SAFETY: a C string, valid during the call.
        false => unsafe { CStr::from_ptr(info.dlpi_name) },
    };
    let module = LoadedModule { base: info.dlpi_addr, name, headers };
    modules.list.extend(module.to_module());
    0
}

/// A module in memory, during a walk.
struct LoadedModule<'a> {
    /// The difference between the addresses in memory and in the headers.
    base: u64,
    /// Empty for the program itself.
    name: &'a CStr,
    headers: &'a [libc::Elf64_Phdr],
}

impl<'a> LoadedModule<'a> {
    fn to_module(&self) -> Option<Module> {
        Some(Module {
            path: self.path(),
            range: self.range(0)?,
            code: self.range(libc::PF_X).unwrap_or(0..0),
            base: self.base,
            tables: self.tables(),
            first_functions: Vec::new(),
        })
    }

    fn tables(&self) -> Option<UnwindTables> {
        let (index, index_at) = self.index()?;
        let (frames, frames_at) = self.frames(index, index_at)?;
        Some(UnwindTables { index: index.into(), index_at, frames: frames.into(), frames_at })
    }

    fn path(&self) -> PathBuf {
        match self.name.to_bytes() {
            [] => PathBuf::from("/proc/self/exe"),
            name => PathBuf::from(OsStr::from_bytes(name)),
        }
    }

    fn load_segments(&self) -> impl Iterator<Item = &'a libc::Elf64_Phdr> {
        self.headers.iter().filter(|header| header.p_type == libc::PT_LOAD)
    }

    /// The addresses of the segments that have all of these flags.
    fn range(&self, flags: u32) -> Option<Range<u64>> {
        let segments = || self.load_segments().filter(|header| header.p_flags & flags == flags);
        let start = segments().map(|header| header.p_vaddr).min()?;
        let end = segments().map(|header| header.p_vaddr + header.p_memsz).max()?;
        Some(self.base.wrapping_add(start)..self.base.wrapping_add(end))
    }

    /// The index of the unwind tables, and its address.
    fn index(&self) -> Option<(&'a [u8], u64)> {
        let header = self.headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME)?;
        self.memory(self.base.wrapping_add(header.p_vaddr))
            .map(|(bytes, at)| (&bytes[..bytes.len().min(header.p_memsz as usize)], at))
    }

    /// The unwind tables that the index at `index_at` refers to, up to the end of their segment, and
    /// their address. The tables mark their own end, so the bytes behind it are ignored.
    fn frames(&self, index: &[u8], index_at: u64) -> Option<(&'a [u8], u64)> {
        let [1, PCREL_SDATA4, _, _, offset @ ..] = index else { return None };
        let offset = i64::from(i32::from_ne_bytes(*offset.first_chunk()?));
        self.memory(index_at.wrapping_add(4).wrapping_add_signed(offset))
    }

    /// The memory from `address` to the end of its segment, and the address.
    fn memory(&self, address: u64) -> Option<(&'a [u8], u64)> {
        let in_file = address.wrapping_sub(self.base);
        let is_readable = |header: &&libc::Elf64_Phdr| {
            let range = header.p_vaddr..header.p_vaddr + header.p_filesz;
            header.p_flags & libc::PF_R != 0 && range.contains(&in_file)
        };
        let segment = self.load_segments().find(is_readable)?;
        let len = usize::try_from(segment.p_vaddr + segment.p_filesz - in_file).ok()?;
        // SAFETY: within a segment that is mapped for reading during the walk, in tables that are
        // never written to.
        Some((unsafe { slice::from_raw_parts(address as *const u8, len) }, address))
    }
}
