//! The modules of a process: their address ranges and unwind tables.

use std::{ops::Range, path::PathBuf, sync::Arc};

use framehop::ExplicitModuleSectionInfo;

/// Unwind tables. Copied, because a module may be unloaded while a stack is unwound.
pub(crate) type TableBytes = Arc<[u8]>;

/// The program or a shared library, as it is loaded into a process.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// The path of its file.
    pub path: PathBuf,
    /// The addresses that it occupies.
    pub range: Range<u64>,
    /// The addresses of its code.
    pub code: Range<u64>,
    /// The difference between its addresses in memory and in the file.
    pub base: u64,
    /// The unwind tables, if it has any.
    pub tables: Option<UnwindTables>,
    /// Code in which threads start and which the unwind tables do not mark as such.
    pub first_functions: Vec<Range<u64>>,
}

/// The unwind tables of a module, as they are in memory.
#[derive(Clone, Debug)]
pub struct UnwindTables {
    /// The section `.eh_frame_hdr`.
    pub index: Arc<[u8]>,
    /// The address of the index.
    pub index_at: u64,
    /// The section `.eh_frame`, possibly followed by other bytes.
    pub frames: Arc<[u8]>,
    /// The address of the section.
    pub frames_at: u64,
}

impl UnwindTables {
    /// The start of the last function at or before `address`, and the address of its description.
    fn entry(&self, address: u64) -> Option<(u64, u64)> {
        /// The address of `.eh_frame`, a number of entries, and a sorted table of pairs of addresses
        /// relative to the index: the layout that all linkers write.
        const LAYOUT: [u8; 4] = [1, PCREL_SDATA4, 0x03, 0x3b];
        let (layout, rest) = self.index.split_first_chunk::<4>()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let pairs = rest.as_chunks::<8>().0.get(..u32::from_ne_bytes(*count) as usize)?;
        let at = |[a, b, c, d]: [u8; 4]| {
            self.index_at.wrapping_add_signed(i64::from(i32::from_ne_bytes([a, b, c, d])))
        };
        let start = |&[a, b, c, d, ..]: &[u8; 8]| at([a, b, c, d]);
        let after = pairs.partition_point(|pair| start(pair) <= address);
        let pair = pairs.get(after.checked_sub(1)?).filter(|_| *layout == LAYOUT)?;
        let [.., e, f, g, h] = *pair;
        Some((start(pair), at([e, f, g, h])))
    }

    /// Whether `address` is after the end of the last function that starts before it, in code that
    /// the tables do not describe. `false` if that cannot be determined.
    fn is_gap(&self, address: u64) -> bool {
        let is_behind = || {
            let (start, description) = self.entry(address)?;
            // Length, parent, start, size: four bytes each.
            let at = usize::try_from(description.checked_sub(self.frames_at)?).ok()?;
            let size = self.frames.get(at.checked_add(12)?..)?.first_chunk()?;
            Some(address.wrapping_sub(start) >= u64::from(u32::from_ne_bytes(*size)))
        };
        is_behind().unwrap_or(false)
    }
}

/// The encoding of addresses as four signed bytes, relative to their own address.
pub(crate) const PCREL_SDATA4: u8 = 0x1b;

impl Module {
    /// The module as framehop needs it, if it has unwind tables.
    pub(crate) fn to_framehop(&self) -> Option<framehop::Module<TableBytes>> {
        let UnwindTables { index, index_at, frames, frames_at } = self.tables.clone()?;
        let at = |address: u64, bytes: &[u8]| {
            let start = address.wrapping_sub(self.base);
            start..start.saturating_add(bytes.len() as u64)
        };
        let sections = ExplicitModuleSectionInfo {
            eh_frame_hdr_svma: Some(at(index_at, &index)),
            eh_frame_svma: Some(at(frames_at, &frames)),
            eh_frame_hdr: Some(index),
            eh_frame: Some(frames),
            ..ExplicitModuleSectionInfo::default()
        };
        let name = self.path.to_string_lossy().into_owned();
        Some(framehop::Module::new(name, self.range.clone(), self.base, sections))
    }
}

/// The program and the shared libraries that are loaded into a process.
#[derive(Clone, Default)]
pub struct Modules {
    /// The total numbers of modules loaded and unloaded. In another version, an address may belong
    /// to other code.
    pub(crate) version: (u64, u64),
    pub(crate) list: Vec<Module>,
}

impl Modules {
    /// The module that contains `address`.
    pub(crate) fn find(&self, address: u64) -> Option<&Module> {
        self.list.iter().find(|module| module.range.contains(&address))
    }

    /// The start of the function that contains `address`.
    pub(crate) fn function_start(&self, address: u64) -> Option<u64> {
        Some(self.find(address)?.tables.as_ref()?.entry(address)?.0)
    }

    /// Whether `address` is in a module, but in code without unwind tables.
    pub(crate) fn is_gap(&self, address: u64) -> bool {
        self.find(address).is_some_and(|module| match &module.tables {
            Some(tables) => tables.is_gap(address),
            None => true,
        })
    }

    pub(crate) fn is_code(&self, address: u64) -> bool {
        self.list.iter().any(|module| module.code.contains(&address))
    }

    /// Whether `address` is in [`Module::first_functions`].
    pub(crate) fn is_first_function(&self, address: u64) -> bool {
        let mut ranges = self.list.iter().flat_map(|module| &module.first_functions);
        ranges.any(|range| range.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two functions, of 16 and of 32 bytes, at 0x1000 and 0x1040.
    fn tables() -> UnwindTables {
        let (index_at, frames_at) = (0x2000_u64, 0x3000_u64);
        let mut index = vec![1, PCREL_SDATA4, 0x03, 0x3b, 0, 0, 0, 0, 2, 0, 0, 0];
        let mut frames = vec![0; 64];
        for (number, (start, size)) in [(0x1000_u64, 16_u32), (0x1040, 32)].into_iter().enumerate()
        {
            let description = 24 * number;
            for address in [start, frames_at + description as u64] {
                let offset = address.wrapping_sub(index_at) as u32;
                index.extend(offset.to_ne_bytes());
            }
            frames[description + 12..description + 16].copy_from_slice(&size.to_ne_bytes());
        }
        UnwindTables { index: index.into(), index_at, frames: frames.into(), frames_at }
    }

    #[test]
    fn entry_and_is_gap_follow_the_bounds_of_functions() {
        let tables = tables();
        let start = |address| tables.entry(address).map(|(start, _)| start);
        assert_eq!(
            (start(0xfff), start(0x1000), start(0x103f)),
            (None, Some(0x1000), Some(0x1000))
        );
        assert_eq!(start(0x1040), Some(0x1040));
        let gaps = [0x100f, 0x1010, 0x103f, 0x1040, 0x105f, 0x1060].map(|at| tables.is_gap(at));
        assert_eq!(gaps, [false, true, true, false, false, true]);
    }

    #[test]
    fn truncated_tables_have_no_functions() {
        let mut tables = tables();
        tables.frames = Arc::from([]);
        assert!(!tables.is_gap(0x1010), "cannot be determined");
        tables.index = tables.index[..20].into();
        assert_eq!(tables.entry(0x1000), None);
    }
}
