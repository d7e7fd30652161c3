//! The modules of this process, from its C library.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, OsStr},
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    slice,
};

use crate::modules::{Module, Modules, PCREL_SDATA4, UnwindTables};

/// The modules that are loaded now; `None` if they are the same as in this version.
pub(crate) fn changed(version: (u64, u64)) -> Option<Modules> {
    let mut walk = Walk { known: version, found: None };
    // SAFETY: `visit` gets the walk back, which lives during the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut walk).cast()) };
    walk.found
}

/// A walk over the loaded modules.
struct Walk {
    /// The walk ends at once if the modules have this version.
    known: (u64, u64),
    /// The modules visited so far.
    found: Option<Modules>,
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
    let modules = walk.found.get_or_insert_with(|| Modules { version, ..Modules::default() });
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
    modules.list.extend(loaded.module());
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
    fn module(&self) -> Option<Module> {
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
