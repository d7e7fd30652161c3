//! Resolves addresses to functions, files and lines.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use addr2line::Loader;
use asynctop_snapshot::{CodeOffset, Frame, FrameKind, Stack, text::sanitize};
use object::{Object, ReadCache};

use crate::{
    modules::{Module, Modules},
    names::{full_name, short_name, short_path},
    origin::frame_kind,
    unwind::Unwound,
};

/// Maximum number of cached addresses.
const MAX_CACHED: usize = 8192;

/// Resolves addresses to functions, files and lines. Caches the frames, because successive stacks of
/// a thread share most addresses.
///
/// Reads the debug information of each module when its first address is resolved, and keeps it.
pub struct Symbolizer {
    cached: HashMap<u64, Arc<[Frame]>>,
    /// Symbols and lines by module; `None` for a file that cannot be read.
    files: HashMap<PathBuf, Option<Loader>>,
    /// Build ids of modules with unresolved functions.
    build_ids: HashMap<PathBuf, Option<Arc<str>>>,
    /// The version of the modules that `cached` belongs to.
    version: (u64, u64),
}

/// A function at an address, from the debug information of a module.
struct Found {
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

impl Default for Symbolizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Symbolizer {
    /// Creates a symbolizer, which reads no file yet. Paths of source files in a workspace on this
    /// machine become relative to its root.
    pub fn new() -> Self {
        Symbolizer {
            cached: HashMap::new(),
            files: HashMap::new(),
            build_ids: HashMap::new(),
            version: (0, 0),
        }
    }

    /// Resolves a stack that was unwound while these modules were loaded. Inlined functions come
    /// before the function that contains them. Names and paths are sanitized.
    pub fn symbolize(&mut self, unwound: &Unwound, modules: &Modules) -> Stack {
        Stack { frames: self.frames(&unwound.addresses, modules), cut: unwound.cut.map(Into::into) }
    }

    fn frames(&mut self, addresses: &[u64], modules: &Modules) -> Vec<Frame> {
        if self.version != modules.version || self.cached.len() > MAX_CACHED {
            self.cached.clear();
            self.version = modules.version;
        }
        let mut frames = Vec::with_capacity(addresses.len() * 2);
        for &address in addresses {
            if !self.cached.contains_key(&address) {
                let resolved = self.resolve(address, modules);
                self.cached.insert(address, resolved);
            }
            frames.extend(self.cached.get(&address).into_iter().flat_map(|f| f.iter().cloned()));
        }
        add_closure_paths(&mut frames);
        frames
    }

    fn resolve(&mut self, address: u64, modules: &Modules) -> Arc<[Frame]> {
        let Some(module) = modules.find(address) else {
            let frame = Frame::new("[unknown code]", FrameKind::Native);
            let code = CodeOffset { build_id: None, offset: address };
            return Arc::new([Frame { code: Some(code), ..frame }]);
        };
        let found = self.find(address, module);
        if found.is_empty() {
            return Arc::new([self.unresolved(address, module)]);
        }
        let last = found.len() - 1;
        found.into_iter().enumerate().map(|(i, found)| frame(found, i < last)).collect()
    }

    /// The functions at `address` in the module's file, inlined ones first.
    fn find(&mut self, address: u64, module: &Module) -> Vec<Found> {
        let file = self.files.entry(module.path.clone()).or_insert_with_key(|path| open(path));
        let Some(file) = file else { return Vec::new() };
        let at = address.wrapping_sub(module.base);
        let mut found = frames_at(file, at);
        // With line tables only, functions have no path. The symbol table has the path of the
        // function that contains the inlined ones.
        if let Some(symbol) = file.find_symbol(at) {
            let symbol = full_name(symbol);
            match found.last_mut() {
                Some(Found { function: Some(name), .. }) if name.contains("::") => {}
                Some(last) => last.function = Some(symbol),
                None => found.push(Found { function: Some(symbol), file: None, line: None }),
            }
        }
        found
    }

    /// The frame of a function without a symbol.
    fn unresolved(&mut self, address: u64, module: &Module) -> Frame {
        let name = module.path.file_name().unwrap_or_default().to_string_lossy();
        let build_id = self.build_ids.entry(module.path.clone());
        let build_id = build_id.or_insert_with_key(|path| build_id_of(path)).clone();
        let code = CodeOffset { build_id, offset: address.wrapping_sub(module.base) };
        let frame = Frame::new(format!("[{}]", sanitize(&name)), FrameKind::Native);
        Frame { code: Some(code), ..frame }
    }
}

fn frame(found: Found, inlined: bool) -> Frame {
    let function = found.function.as_deref().map_or("unknown function".into(), sanitize);
    let file = found.file.as_deref().map(sanitize);
    let file = file.as_deref();
    Frame {
        name: short_name(&function, file).into(),
        kind: frame_kind(&function, file),
        function: function.into(),
        path: file.map(|file| short_path(file).into()),
        file: file.map(Into::into),
        line: found.line,
        inlined,
        code: None,
    }
}

/// Frames, innermost first, from functions, files and lines that another symbolizer has found. Names
/// and paths are sanitized, and shortened as by [`Symbolizer`].
pub fn frames_of(
    found: impl IntoIterator<Item = (String, Option<String>, Option<u32>)>,
) -> Vec<Frame> {
    let found = found
        .into_iter()
        .map(|(function, file, line)| frame(Found { function: Some(function), file, line }, false));
    let mut frames: Vec<Frame> = found.collect();
    add_closure_paths(&mut frames);
    frames
}

fn open(path: &Path) -> Option<Loader> {
    // The vDSO has a name and no file. Functions in files that cannot be read stay unresolved.
    Loader::new(path).ok()
}

fn frames_at(file: &Loader, at: u64) -> Vec<Found> {
    let mut found = Vec::new();
    let Ok(mut frames) = file.find_frames(at) else { return found };
    while let Ok(Some(frame)) = frames.next() {
        let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
        let place = frame.location.as_ref();
        found.push(Found {
            function: name.map(|name| full_name(&name)),
            file: place.and_then(|place| place.file).map(str::to_owned),
            line: place.and_then(|place| place.line),
        });
    }
    found
}

/// The build id in the notes of an ELF file, in hexadecimal.
fn build_id_of(path: &Path) -> Option<Arc<str>> {
    // Reads only the parts that are needed: a program may have a gigabyte of debug information.
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    let id = file.build_id().ok()??;
    Some(id.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// Adds the path to inlined async blocks and closures, which have only a number if the program has
/// line tables only. The path is in the name of the function that polls it: `{async_fn#0}` is inside
/// `poll<app::fetch::{async_fn_env#0}>`.
fn add_closure_paths(frames: &mut [Frame]) {
    for at in 0..frames.len() {
        let function = &frames[at].function;
        if !function.starts_with('{') {
            continue;
        }
        let environment = format!("::{}", function.replace('#', "_env#"));
        let path = frames[at + 1..].iter().take(8).find_map(|outer| {
            let (before, _) = outer.function.split_once(&environment)?;
            let start = before.rfind(['<', ' ', '&', '(', ',']).map_or(0, |at| at + 1);
            Some(&before[start..])
        });
        if let Some(path) = path {
            let function = format!("{path}::{function}");
            frames[at].name = short_name(&function, None).into();
            frames[at].function = function.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unwind::Unwound;

    /// An ELF file with a build id and nothing else.
    fn elf(build_id: &[u8]) -> Vec<u8> {
        const HEADER: u16 = 64;
        const SEGMENT: u16 = 56;
        let note_at = u64::from(HEADER + SEGMENT);
        let mut note = Vec::new();
        // Lengths of name and id, and the type: a build id.
        [4, build_id.len() as u32, 3].iter().for_each(|word| note.extend(word.to_le_bytes()));
        note.extend(*b"GNU\0");
        note.extend(build_id);
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        // A shared library for x86-64.
        [3_u16, 62].iter().for_each(|half| file.extend(half.to_le_bytes()));
        file.extend(1_u32.to_le_bytes());
        [0, u64::from(HEADER), 0].iter().for_each(|word| file.extend(word.to_le_bytes()));
        file.extend(0_u32.to_le_bytes());
        [HEADER, SEGMENT, 1, 0, 0, 0].iter().for_each(|half| file.extend(half.to_le_bytes()));
        // One segment, of type PT_NOTE.
        [4_u32, 4].iter().for_each(|word| file.extend(word.to_le_bytes()));
        let size = note.len() as u64;
        let segment = [note_at, note_at, note_at, size, size, 4];
        segment.iter().for_each(|word| file.extend(word.to_le_bytes()));
        file.extend(note);
        file
    }

    #[test]
    fn unresolved_function_has_the_build_id_and_the_offset() {
        let path = std::env::temp_dir().join(format!("asynctop-elf-{}", std::process::id()));
        std::fs::write(&path, elf(&[0xab, 0x01])).expect("a temporary file");
        let range = 0x10_000..0x20_000;
        let module = Module { path: path.clone(), range, base: 0x10_000, ..Module::default() };
        let modules = Modules { version: (1, 0), list: vec![module] };
        let unwound = Unwound { addresses: vec![0x10_123, 0x99_999], cut: None };
        let stack = Symbolizer::new().symbolize(&unwound, &modules);
        std::fs::remove_file(path).expect("it was there");
        let code: Vec<_> = stack.frames.iter().map(|frame| frame.code.clone()).collect();
        let in_module = CodeOffset { build_id: Some("ab01".into()), offset: 0x123 };
        let unknown = CodeOffset { build_id: None, offset: 0x99_999 };
        assert_eq!(code, [Some(in_module), Some(unknown)]);
    }
}
