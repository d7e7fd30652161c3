//! From a copy of a stack to addresses.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, OsStr},
    ops::Range,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    slice,
    sync::Arc,
};

use framehop::{CacheNative, ExplicitModuleSectionInfo, MayAllocateDuringUnwind, UnwinderNative};
use framehop::{FrameAddress, Module, UnwindRegsNative, Unwinder as _};

use crate::{
    code::{Call, call_before, frame_size},
    copy::{Registers, StackCopy},
};

/// A stack that is deeper is cut.
const FRAMES: usize = 256;
/// Maximum number of places that are tried for a frame pointer; one of the first is the right one.
const TRIES: usize = 512;
/// Upper bound of the frame of a function.
const MAX_FRAME: u64 = 1024 * 1024;

type Tables = Arc<[u8]>;

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
    /// The module that `address` is in.
    pub(crate) fn find(&self, address: u64) -> Option<&CodeModule> {
        self.list.iter().find(|module| module.range.contains(&address))
    }

    /// The beginning of the function that `address` is in.
    fn function(&self, address: u64) -> Option<u64> {
        self.find(address)?.functions.as_ref()?.of(address)
    }

    fn is_code(&self, address: u64) -> bool {
        self.list.iter().any(|module| module.code.contains(&address))
    }
}

/// A stack as addresses.
#[derive(Clone, Debug, Default)]
pub struct Unwound {
    /// An address in each function that the thread was in, innermost first: within the instruction
    /// that was running, which in a caller is its call.
    pub addresses: Vec<u64>,
    /// Why the stack ends before the thread's first function, if it does. The addresses that are
    /// there are right.
    pub cut: Option<&'static str>,
}

/// Unwinds copies of stacks of this process's threads with the unwind tables of its modules.
///
/// Keeps a copy of the tables. Modules that are loaded or unloaded later are noticed by the next
/// unwind.
pub struct Unwinder {
    inner: UnwinderNative<Tables, MayAllocateDuringUnwind>,
    cache: CacheNative<MayAllocateDuringUnwind>,
    modules: Arc<Modules>,
}

/// The callers of a function, and how far they could be followed.
struct Callers {
    /// The functions' addresses, beginning with the function itself.
    frames: Vec<FrameAddress>,
    end: End,
    /// The registers of the last frame.
    registers: UnwindRegsNative,
}

/// Where following the callers came to an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// At a function that has no caller: a thread's first, or the program's.
    Root,
    /// At a return address of 0, where coroutines begin.
    Null,
    /// At the end of a copy that is shorter than the stack.
    Cut,
    /// At a function whose caller is not known.
    Lost,
    /// At the maximum number of frames.
    TooMany,
}

impl End {
    fn reason(self) -> Option<&'static str> {
        match self {
            End::Root | End::Null => None,
            End::Cut => Some("deeper than the copy"),
            End::Lost => Some("no unwind information"),
            End::TooMany => Some("too many frames"),
        }
    }
}

impl Default for Unwinder {
    fn default() -> Self {
        Self::new()
    }
}

impl Unwinder {
    /// An unwinder that has read no tables yet.
    pub fn new() -> Self {
        Unwinder {
            inner: UnwinderNative::new(),
            cache: CacheNative::new(),
            modules: Arc::default(),
        }
    }

    /// The functions that a thread was in, from a copy with all registers, as a signal handler
    /// takes it.
    pub fn unwind(&mut self, copy: &StackCopy<'_>) -> Unwound {
        self.refresh();
        let first = FrameAddress::from_instruction_pointer(copy.registers.ip);
        let callers = self.follow(copy, first, native(&copy.registers));
        Unwound { addresses: lookups(&callers.frames), cut: callers.end.reason() }
    }

    /// The stack of a thread that sleeps in the kernel, whose frame pointer is not known.
    ///
    /// The functions of the C library around a system call do not need it. The first function that
    /// does has stored its caller's frame pointer on the stack, right below its return address. The
    /// distance of that place follows from the function's first instructions. If they do not
    /// determine it, the place is found by trial: it is the lowest one from which all callers up to
    /// the thread's first function can be followed. Calls that have returned leave such places
    /// behind, too, so places of a known call of this function are tried first, then places of a
    /// possible call, then the rest (a tail call).
    pub fn unwind_blocked(&mut self, copy: &StackCopy<'_>) -> Unwound {
        self.refresh();
        let first = FrameAddress::from_instruction_pointer(copy.registers.ip);
        // Stops at the first function that needs the frame pointer.
        let known = self.follow(copy, first, native(&copy.registers));
        let mut addresses = lookups(&known.frames);
        if known.end != End::Lost {
            return Unwound { addresses, cut: known.end.reason() };
        }
        let last = known.frames[known.frames.len() - 1];
        let function = self.modules.function(last.address_for_lookup());
        let sp = known.registers.sp().next_multiple_of(8);
        let modules = Arc::clone(&self.modules);
        let rank = |place: u64| {
            let return_address = copy.word(place.wrapping_add(8))?;
            let is_code = modules.is_code(return_address);
            Some(match is_code.then(|| call_before(return_address))?? {
                Call::Direct(called) if Some(called) == function => 0,
                Call::Indirect => 1,
                Call::Direct(_) => 2,
            })
        };
        let mut try_place = |place| self.callers(copy, last, known.registers, place);
        let own = function.and_then(frame_size).map(|size| known.registers.sp().wrapping_add(size));
        let mut found = own.filter(|place| rank(*place).is_some()).and_then(&mut try_place);
        if found.is_none() {
            let places = (sp..copy.end()).step_by(8);
            let mut ranked: Vec<(u8, u64)> =
                places.filter_map(|place| Some((rank(place)?, place))).collect();
            ranked.sort_unstable();
            found = ranked.into_iter().take(TRIES).find_map(|(_, place)| try_place(place));
        }
        let Some(callers) = found else {
            return Unwound { addresses, cut: Some("the thread's frame pointer was not found") };
        };
        addresses.extend(lookups(&callers.frames[1..]));
        Unwound { addresses, cut: callers.end.reason() }
    }

    /// The callers of the function at `address`, if its frame pointer leads to `place`.
    fn callers(
        &mut self,
        copy: &StackCopy<'_>,
        address: FrameAddress,
        mut registers: UnwindRegsNative,
        place: u64,
    ) -> Option<Callers> {
        set_frame_pointer(&mut registers, place);
        let callers = self.follow(copy, address, registers);
        matches!(callers.end, End::Root | End::Cut).then_some(callers)
    }

    /// Follows the callers of the function at `address`, in which the registers were these.
    fn follow(
        &mut self,
        copy: &StackCopy<'_>,
        address: FrameAddress,
        mut registers: UnwindRegsNative,
    ) -> Callers {
        let mut frames = Vec::with_capacity(64);
        let mut address = address;
        let end = loop {
            frames.push(address);
            if frames.len() == FRAMES {
                break End::TooMany;
            }
            let sp = registers.sp();
            let mut missing = 0;
            let mut read = |at| copy.word(at).ok_or_else(|| missing = at);
            let mut callers = registers;
            let next = self.inner.unwind_frame(address, &mut callers, &mut self.cache, &mut read);
            match next {
                // A frame takes up space on the stack, at least for its return address.
                Ok(Some(next))
                    if next != Registers::UNKNOWN && (callers.sp() > sp || frames.len() == 1) =>
                {
                    let Some(next) = FrameAddress::from_return_address(next) else {
                        break End::Null;
                    };
                    (address, registers) = (next, callers);
                }
                Ok(Some(_)) => break End::Lost,
                Ok(None) if self.is_root(address) => break End::Root,
                Ok(None) => break End::Null,
                Err(_) => {
                    let beyond = copy.end()..copy.end().saturating_add(MAX_FRAME);
                    let is_cut = copy.is_full && beyond.contains(&missing);
                    break if is_cut { End::Cut } else { End::Lost };
                }
            }
        };
        Callers { frames, end, registers }
    }

    /// Whether the function at `address` has no caller according to the unwind tables.
    fn is_root(&mut self, address: FrameAddress) -> bool {
        let mut registers = native(&Registers::pointers(address.address(), 0));
        // Nothing can be read, so that any other rule fails.
        let caller =
            self.inner.unwind_frame(address, &mut registers, &mut self.cache, &mut |_| Err(()));
        matches!(caller, Ok(None))
    }

    /// The modules that were loaded at the last unwind, for the symbolizer.
    pub fn modules(&self) -> &Arc<Modules> {
        &self.modules
    }

    /// Takes in modules that were loaded, and forgets those that are gone.
    fn refresh(&mut self) {
        let mut walk = Walk { unwinder: self, fresh: false };
        // SAFETY: `visit` gets the walk back, and both live during the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut walk).cast()) };
    }

    fn add(&mut self, module: &Loaded<'_>) {
        let Some(range) = module.range(0) else { return };
        let code = module.range(libc::PF_X).unwrap_or(0..0);
        let (base, path) = (module.base, module.path());
        let name = path.to_string_lossy().into_owned();
        let index = module.index();
        let functions =
            index.map(|(index, index_at)| FunctionStarts { index: Arc::from(index), index_at });
        let code_module =
            CodeModule { range: range.clone(), code, base, path, functions: functions.clone() };
        Arc::make_mut(&mut self.modules).list.push(code_module);
        let (Some((index, index_at)), Some(functions)) = (index, functions) else { return };
        let Some((frames, frames_at)) = module.frames(index, index_at) else { return };
        let at = |address: u64, bytes: &[u8]| {
            let start = address.wrapping_sub(base);
            start..start + bytes.len() as u64
        };
        // Copied, because the module may be unloaded while another thread's stack is
        // unwound; here, it may not.
        let sections = ExplicitModuleSectionInfo {
            eh_frame_hdr_svma: Some(at(index_at, index)),
            eh_frame_hdr: Some(functions.index),
            eh_frame_svma: Some(at(frames_at, frames)),
            eh_frame: Some(frames.into()),
            ..ExplicitModuleSectionInfo::default()
        };
        self.inner.add_module(Module::new(name, range, base, sections));
    }
}

/// A walk over the loaded modules.
struct Walk<'a> {
    unwinder: &'a mut Unwinder,
    /// The unwinder began anew in this walk.
    fresh: bool,
}

/// The C library calls this for each module, while none can be loaded or unloaded.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    walk: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: `refresh` hands the walk in and waits for its end.
    let walk = unsafe { &mut *walk.cast::<Walk<'_>>() };
    // SAFETY: valid during the call.
    let info = unsafe { &*info };
    if !walk.fresh {
        let version = (info.dlpi_adds, info.dlpi_subs);
        if walk.unwinder.modules.version == version {
            return 1;
        }
        let modules = Modules { version, ..Modules::default() };
        *walk.unwinder = Unwinder { modules: modules.into(), ..Unwinder::new() };
        walk.fresh = true;
    }
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
    walk.unwinder.add(&Loaded { base: info.dlpi_addr, name, headers });
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

fn lookups(frames: &[FrameAddress]) -> Vec<u64> {
    frames.iter().map(|frame| frame.address_for_lookup()).collect()
}

#[cfg(target_arch = "x86_64")]
fn native(registers: &Registers) -> UnwindRegsNative {
    UnwindRegsNative::new(registers.ip, registers.sp, registers.fp)
}

#[cfg(target_arch = "x86_64")]
fn set_frame_pointer(registers: &mut UnwindRegsNative, frame_pointer: u64) {
    registers.set_bp(frame_pointer);
}

#[cfg(target_arch = "aarch64")]
fn native(registers: &Registers) -> UnwindRegsNative {
    use framehop::aarch64::PtrAuthMask;
    // Programs get addresses of 48 bits; what is above signs a return address.
    let mask = PtrAuthMask(u64::MAX >> 16);
    let Registers { lr, sp, fp, .. } = *registers;
    UnwindRegsNative::new_with_ptr_auth_mask(mask, lr, sp, fp)
}

#[cfg(target_arch = "aarch64")]
fn set_frame_pointer(registers: &mut UnwindRegsNative, frame_pointer: u64) {
    registers.set_fp(frame_pointer);
}
