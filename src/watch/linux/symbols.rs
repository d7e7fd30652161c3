//! From addresses to functions, files and lines.
#![allow(unsafe_code)]

use std::{collections::HashMap, sync::Arc};

use super::unwind::Unwinder;
use crate::watch::{
    Frame, FrameKind,
    frames::{kind, short_name, short_path},
};

/// Addresses that are kept with what they mean.
const KEPT: usize = 8192;

/// Looks symbols up, and remembers them: a long poll is in the same functions again and
/// again.
pub(super) struct Symbols {
    known: HashMap<u64, Arc<[Frame]>>,
    version: (u64, u64),
    /// The current directory when the watchdog started.
    here: String,
}

impl Symbols {
    pub(super) fn new() -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let here = here.to_str().unwrap_or_default().to_owned();
        Symbols { known: HashMap::new(), version: (0, 0), here }
    }

    /// The functions at `addresses`, those inlined before those that they are in.
    pub(super) fn resolve(&mut self, addresses: &[u64], unwinder: &Unwinder) -> Vec<Frame> {
        let version = unwinder.version();
        if self.version != version {
            self.known.clear();
            if self.version != (0, 0) {
                // `backtrace` takes stock of the modules once.
                backtrace::clear_symbol_cache();
            }
            self.version = version;
        }
        if self.known.len() > KEPT {
            self.known.clear();
        }
        let mut frames = Vec::with_capacity(addresses.len() * 2);
        for &address in addresses {
            let found =
                self.known.entry(address).or_insert_with(|| look_up(address, &self.here, unwinder));
            frames.extend(found.iter().cloned());
        }
        frames
    }
}

fn look_up(address: u64, here: &str, unwinder: &Unwinder) -> Arc<[Frame]> {
    let mut frames = Vec::new();
    // It takes what it gets for a return address and looks at the byte before.
    backtrace::resolve(address.wrapping_add(1) as *mut _, |symbol| {
        let Some(name) = symbol.name() else { return };
        let function = format!("{name:#}");
        let file = symbol.filename().and_then(|file| file.to_str());
        frames.push(frame(function, file, symbol.lineno(), here));
    });
    let last = frames.len().saturating_sub(1);
    for frame in &mut frames[..last] {
        frame.inlined = true;
    }
    if frames.is_empty() {
        let module = unwinder.module(address).map_or("unknown code", |module| module);
        frames.push(frame(format!("[{module}]"), None, None, here));
    }
    frames.into()
}

fn frame(function: String, file: Option<&str>, line: Option<u32>, here: &str) -> Frame {
    let kind = match function.starts_with('[') {
        true => FrameKind::Native,
        false => kind(&function, file),
    };
    Frame {
        name: short_name(&function).into(),
        function: function.into(),
        path: file.map(|file| short_path(file, here).into()),
        file: file.map(Into::into),
        line,
        kind,
        inlined: false,
    }
}
