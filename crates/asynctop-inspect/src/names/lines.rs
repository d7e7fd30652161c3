//! Line tables: the source lines and inlined functions of an address.

use std::sync::Arc;

use addr2line::Context;
use gimli::{DwarfSections, EndianArcSlice, LittleEndian, SectionId};

use crate::{
    names::{
        location::CodeLocation,
        text::{demangle, sanitize},
    },
    process::modules::Module,
};

type Slice = EndianArcSlice<LittleEndian>;

/// The line tables of one module.
pub(crate) struct Lines {
    context: Context<Slice>,
    bias: u64,
}

/// A function that contains an address, and the line within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFrame {
    /// Demangled; `None` if the debug information has no name.
    pub function: Option<String>,
    pub location: Option<CodeLocation>,
}

impl Lines {
    /// Loads the line tables of a module; `None` if it has none.
    pub(crate) fn load(module: &Module) -> Option<Lines> {
        let image = module.image_with(".debug_line")?;
        let load = |id: SectionId| -> Result<Slice, gimli::Error> {
            let bytes = image.section_bytes(id.name()).unwrap_or_default();
            Ok(EndianArcSlice::new(Arc::from(bytes), LittleEndian))
        };
        let sections = DwarfSections::load(load).ok()?;
        let dwarf = sections.borrow(|section| section.clone());
        let context = Context::from_dwarf(dwarf).ok()?;
        Some(Lines { context, bias: module.bias })
    }

    /// The line of an address.
    pub(crate) fn location(&self, address: u64) -> Option<CodeLocation> {
        let file_address = address.wrapping_sub(self.bias);
        code_location(self.context.find_location(file_address).ok()??)
    }

    /// The functions at an address: the innermost inlined function first, the compiled one last.
    pub(crate) fn frames(&self, address: u64) -> Vec<SourceFrame> {
        const MAX_INLINED: usize = 64;
        let file_address = address.wrapping_sub(self.bias);
        let Ok(mut frames) = self.context.find_frames(file_address).skip_all_loads() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let function = frame
                .function
                .and_then(|function| Some(sanitize(&demangle(&function.raw_name().ok()?))));
            let location = frame.location.and_then(code_location);
            found.push(SourceFrame { function, location });
            if found.len() == MAX_INLINED {
                break;
            }
        }
        found
    }
}

fn code_location(location: addr2line::Location<'_>) -> Option<CodeLocation> {
    Some(CodeLocation {
        file: sanitize(location.file?),
        line: location.line?,
        column: location.column.unwrap_or(0),
    })
}
