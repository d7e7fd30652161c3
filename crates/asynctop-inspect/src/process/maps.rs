//! `/proc/PID/maps`, and `/proc/PID/pagemap` for the pages that are present.

use std::{fs, fs::File, io, ops::Range, os::unix::fs::FileExt, path::Path};

use crate::memory::{Memory, MemoryExt, PAGE, words_of};

/// Maximum number of mappings. The kernel allows 65,530 by default (`vm.max_map_count`).
const MAX_MAPPINGS: usize = 1 << 18;

/// A mapped range of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub range: Range<u64>,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    pub shared: bool,
    pub offset: u64,
    pub inode: u64,
    /// Path of the file, or `[heap]`, `[stack]`, …, or empty.
    pub name: String,
}

impl Mapping {
    fn parse(line: &str) -> Option<Mapping> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let range = hex(start)?..hex(end)?;
        let flags = fields.next()?.as_bytes();
        let [read, write, execute, share, ..] = flags else { return None };
        let offset = hex(fields.next()?)?;
        let _device = fields.next()?;
        let inode = fields.next()?.parse().ok()?;
        let name = fields.next().unwrap_or_default().trim_start().to_owned();
        (range.start < range.end).then_some(Mapping {
            range,
            readable: *read == b'r',
            writable: *write == b'w',
            executable: *execute == b'x',
            shared: *share == b's',
            offset,
            inode,
            name,
        })
    }

    pub(crate) fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Private writable memory: heap, stacks, data segments.
    pub(crate) fn is_data(&self) -> bool {
        self.readable && self.writable && !self.shared
    }
}

/// All mappings, by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maps(Vec<Mapping>);

impl Maps {
    pub(crate) fn read(path: &Path) -> io::Result<Maps> {
        Ok(Maps::parse(&String::from_utf8_lossy(&fs::read(path)?)))
    }

    pub(crate) fn parse(text: &str) -> Maps {
        Maps(text.lines().filter_map(Mapping::parse).take(MAX_MAPPINGS).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.0.iter()
    }

    /// The code of files.
    pub(crate) fn code(&self) -> impl Iterator<Item = &Mapping> {
        self.iter().filter(|mapping| mapping.executable && mapping.inode != 0)
    }

    pub(crate) fn find(&self, address: u64) -> Option<&Mapping> {
        let index = self.0.partition_point(|mapping| mapping.range.end <= address);
        self.0.get(index).filter(|mapping| mapping.range.contains(&address))
    }

    /// The parts of `range` that are mapped and readable, without gaps in each of them.
    pub(crate) fn readable(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut parts: Vec<Range<u64>> = Vec::new();
        let first = self.0.partition_point(|mapping| mapping.range.end <= range.start);
        let mappings = self.0[first..].iter().take_while(|it| it.range.start < range.end);
        for mapping in mappings.filter(|mapping| mapping.readable) {
            let start = mapping.range.start.max(range.start);
            let end = mapping.range.end.min(range.end);
            match parts.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => parts.push(start..end),
            }
        }
        parts
    }

    /// Whether `address` is in a heap, a stack or a data segment.
    pub(crate) fn is_data(&self, address: u64) -> bool {
        self.find(address).is_some_and(Mapping::is_data)
    }
}

/// Finds the pages that are present.
///
/// Reading a page that was never touched makes the kernel map the zero page into the other
/// process, so such pages are skipped. Their content is zero in any case.
pub(crate) struct Pages {
    /// `None` if it cannot be opened: all pages are then taken as present.
    pagemap: Option<File>,
}

impl Pages {
    pub(crate) fn open(path: &Path) -> Pages {
        Pages { pagemap: File::open(path).ok() }
    }

    /// The present parts of `range`, each of at most `max_length` bytes.
    pub(crate) fn present(&self, range: Range<u64>, max_length: u64) -> Vec<Range<u64>> {
        const PRESENT: u64 = 1 << 63;
        const SWAPPED: u64 = 1 << 62;
        const BATCH: u64 = 8192;
        let mut parts: Vec<Range<u64>> = Vec::new();
        let mut add = |part: Range<u64>| match parts.last_mut() {
            Some(last) if last.end == part.start && part.end - last.start <= max_length => {
                last.end = part.end;
            }
            _ => parts.push(part),
        };
        let mut page = range.start / PAGE * PAGE;
        let mut buffer = vec![0; (BATCH * 8) as usize];
        while page < range.end {
            let pages = (range.end - page).div_ceil(PAGE).min(BATCH);
            let part = &mut buffer[..(pages * 8) as usize];
            let known = self
                .pagemap
                .as_ref()
                .is_some_and(|file| file.read_exact_at(part, page / PAGE * 8).is_ok());
            let flags = words_of(part).map(|word| !known || word & (PRESENT | SWAPPED) != 0);
            for (index, present) in flags.enumerate() {
                if present {
                    let start = page + index as u64 * PAGE;
                    add(start.max(range.start)..(start + PAGE).min(range.end));
                }
            }
            page += pages * PAGE;
        }
        parts
    }
}

/// Calls `visit` with the address and the content of each present part of `range`.
pub(crate) fn scan(
    memory: &(impl Memory + ?Sized),
    pages: &Pages,
    range: Range<u64>,
    mut visit: impl FnMut(u64, &[u8]),
) {
    const MAX_LENGTH: u64 = 1 << 20;
    for part in pages.present(range, MAX_LENGTH) {
        let bytes = memory.bytes(part.start, (part.end - part.start) as usize);
        visit(part.start, &bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_parsed_and_found() {
        let maps = Maps::parse(
            "55e0-55f0 r-xp 00001000 08:01 4711                       /opt/a b/server\n\
             55f0-5600 rw-p 00000000 00:00 0 \n\
             not a mapping\n\
             7000-7000 rw-p 00000000 00:00 0 \n\
             7f00-7f10 rw-s 00000000 00:00 0                          [heap]\n",
        );
        assert_eq!(maps.iter().count(), 3);
        let code = maps.find(0x55ef).expect("mapped");
        assert_eq!(
            (code.name.as_str(), code.offset, code.inode),
            ("/opt/a b/server", 0x1000, 4711)
        );
        assert!(code.executable && maps.find(0x5600).is_none());
        assert!(maps.is_data(0x55f0) && !maps.is_data(0x7f00) && !maps.is_data(0));
    }

    #[test]
    fn readable_parts_of_a_range_are_those_that_are_mapped() {
        let maps = Maps::parse(
            "1000-2000 r--p 00000000 08:01 4 /bin/server\n\
             2000-3000 rw-p 00000000 08:01 4 /bin/server\n\
             3000-4000 ---p 00000000 08:01 4 /bin/server\n\
             5000-6000 r--p 00000000 08:01 4 /bin/server\n",
        );
        let first = |range| maps.readable(&range).first().cloned();
        assert_eq!(first(0x1800..0x2900), Some(0x1800..0x2900));
        assert_eq!(maps.readable(&(0x1800..1 << 60)), [0x1800..0x3000, 0x5000..0x6000]);
        assert_eq!(maps.readable(&(u64::MAX - 9..u64::MAX)), []);
    }

    #[test]
    fn pages_that_were_never_touched_are_not_present() {
        let pagemap = Path::new("/proc/self/pagemap");
        let memory = vec![0_u8; 64 * PAGE as usize];
        let first = (memory.as_ptr() as u64).next_multiple_of(PAGE);
        let mut memory = std::hint::black_box(memory);
        let offset = (first - memory.as_ptr() as u64) as usize;
        memory[offset + 10 * PAGE as usize] = 1;
        let range = first..first + 60 * PAGE;
        let touched = first + 10 * PAGE;
        let present = Pages::open(pagemap).present(range.clone(), u64::MAX);
        assert!(present.iter().any(|part| part.contains(&touched)), "{present:x?}");
        let unknown = Pages { pagemap: None }.present(range.clone(), 16 * PAGE);
        assert_eq!(unknown.len(), 4);
        assert_eq!((unknown[0].start, unknown[3].end), (range.start, range.end));
    }
}
