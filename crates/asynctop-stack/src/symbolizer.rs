//! From addresses to functions, files and lines.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use addr2line::Loader;
use asynctop_snapshot::{Frame, FrameKind, Stack, text::sanitize};

use crate::{
    modules::{Module, Modules},
    names::{full_name, kind, short_name, short_path},
    unwind::Unwound,
};

/// Maximum number of addresses whose frames are kept.
const KEPT: usize = 8192;

/// Resolves addresses to functions, files and lines, and keeps the result: successive stacks of a
/// thread share most addresses.
///
/// Reads the debug information of each module when its first address is resolved, and keeps it.
pub struct Symbolizer {
    known: HashMap<u64, Arc<[Frame]>>,
    /// Symbols and lines by module; `None` for a file that cannot be read.
    files: HashMap<PathBuf, Option<Loader>>,
    /// The version of the modules that `known` belongs to.
    version: (u64, u64),
    /// The current directory, without a slash at its end.
    current_dir: String,
}

/// What a module's tables say of one function at an address.
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
    /// A symbolizer that has read no file yet. Paths of source files below the current directory
    /// are shown relative to it.
    pub fn new() -> Self {
        let current_dir = std::env::current_dir().unwrap_or_default();
        let current_dir = current_dir.to_str().unwrap_or_default().to_owned();
        Symbolizer { known: HashMap::new(), files: HashMap::new(), version: (0, 0), current_dir }
    }

    /// The functions of a stack that was unwound while these modules were loaded. Inlined functions
    /// come before the one that they are in. Names and paths are sanitized.
    pub fn symbolize(&mut self, unwound: &Unwound, modules: &Modules) -> Stack {
        Stack { frames: self.frames(&unwound.addresses, modules), cut: unwound.cut.map(Into::into) }
    }

    fn frames(&mut self, addresses: &[u64], modules: &Modules) -> Vec<Frame> {
        if self.version != modules.version || self.known.len() > KEPT {
            self.known.clear();
            self.version = modules.version;
        }
        let mut frames = Vec::with_capacity(addresses.len() * 2);
        for &address in addresses {
            if !self.known.contains_key(&address) {
                let found = self.look_up(address, modules);
                self.known.insert(address, found);
            }
            frames.extend(self.known.get(&address).into_iter().flat_map(|f| f.iter().cloned()));
        }
        name_the_nameless(&mut frames);
        frames
    }

    fn look_up(&mut self, address: u64, modules: &Modules) -> Arc<[Frame]> {
        let Some(module) = modules.find(address) else {
            return Arc::new([nothing("unknown code")]);
        };
        let found = self.find(address, module);
        if found.is_empty() {
            let name = module.path.file_name().unwrap_or_default().to_string_lossy();
            return Arc::new([nothing(&name)]);
        }
        let last = found.len() - 1;
        found.into_iter().enumerate().map(|(i, found)| self.frame(found, i < last)).collect()
    }

    /// What the module's file says of the code at `address`, inlined functions first.
    fn find(&mut self, address: u64, module: &Module) -> Vec<Found> {
        let file = self.files.entry(module.path.clone()).or_insert_with_key(|path| open(path));
        let Some(file) = file else { return Vec::new() };
        let at = address.wrapping_sub(module.base);
        let mut found = frames_at(file, at);
        // With line tables only, functions have no path; the symbol table has it for the
        // one that the others are inlined in.
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

    fn frame(&self, found: Found, inlined: bool) -> Frame {
        let function = found.function.as_deref().map_or("unknown function".into(), sanitize);
        let file = found.file.as_deref().map(sanitize);
        let file = file.as_deref();
        Frame {
            name: short_name(&function, file).into(),
            kind: kind(&function, file),
            function: function.into(),
            path: file.map(|file| short_path(file, &self.current_dir).into()),
            file: file.map(Into::into),
            line: found.line,
            inlined,
        }
    }
}

fn open(path: &Path) -> Option<Loader> {
    // The kernel's page of code has a name and no file; what cannot be read is unknown.
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

/// A frame of which only the module is known.
fn nothing(module: &str) -> Frame {
    let name: Arc<str> = format!("[{}]", sanitize(module)).into();
    Frame {
        function: name.clone(),
        name,
        file: None,
        path: None,
        line: None,
        kind: FrameKind::Native,
        inlined: false,
    }
}

/// An inlined async block or closure has a number and no path if the program has line
/// tables only. The type of its future is then in the name of who polls it:
/// `poll<app::fetch::{async_fn_env#0}>` outside of `{async_fn#0}`.
fn name_the_nameless(frames: &mut [Frame]) {
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
