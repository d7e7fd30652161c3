//! Segments, sections and symbols of an ELF file. The file belongs to the target, so it is
//! untrusted: every size is limited, and the file is not mapped, because a file that shrinks while
//! it is mapped kills the reader.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt};

use object::{
    Endianness, Object as _, ObjectSection, ObjectSymbol as _, RelocationFlags, SectionFlags,
    SymbolKind, elf,
    read::{
        ReadCache,
        elf::{ElfFile64, FileHeader as _, ProgramHeader as _, SectionHeader as _},
    },
};

/// Maximum size of a section: debug information of large programs has some hundred MB.
const MAX_SECTION: u64 = 1 << 30;
const MAX_SYMBOLS: usize = 1 << 22;
/// Maximum number of segments, and of sections.
const MAX_HEADERS: u32 = 1 << 16;
/// Maximum length of a symbol's name. Longer ones are left out.
const MAX_NAME: usize = 1 << 14;
/// Maximum number of bytes of all names. Names may overlap in the file.
const MAX_NAMES: usize = 1 << 30;

/// A loaded segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Addresses in the file.
    pub range: Range<u64>,
    pub offset: u64,
    pub file_size: u64,
    pub executable: bool,
    pub writable: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub name: String,
    /// Addresses in the file; starts at 0 if the section is not loaded.
    pub range: Range<u64>,
    offset: u64,
    file_size: u64,
    compressed: bool,
}

impl Section {
    fn new<'a>(section: &impl ObjectSection<'a>) -> Option<Section> {
        let (offset, file_size) = section.file_range().unwrap_or_default();
        let compressed = match section.flags() {
            SectionFlags::Elf { sh_flags, .. } => sh_flags.contains(elf::SHF_COMPRESSED),
            _ => false,
        };
        Some(Section {
            name: section.name().ok()?.to_owned(),
            range: section.address()..section.address().checked_add(section.size())?,
            offset,
            file_size,
            compressed,
        })
    }
}

/// A function and its (mangled) name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub address: u64,
    pub size: u64,
    pub name: String,
}

/// An ELF file for x86_64.
#[derive(Debug, Default)]
pub(crate) struct ElfImage {
    /// `None` if it is no longer needed.
    file: Option<File>,
    /// Loaded at the addresses in the file (`ET_EXEC`).
    pub fixed_address: bool,
    /// Address of the entry point in the file.
    pub entry: u64,
    pub segments: Vec<Segment>,
    pub sections: Vec<Section>,
    /// Size of the thread-local block, if the file has one.
    pub tls_size: Option<u64>,
    /// The address at which the dynamic loader stores the number of this file's thread-local block.
    pub tls_module_slot: Option<u64>,
}

/// An ELF file whose headers are parsed, and whose content is read on demand.
type Parsed<'cache, 'file> = ElfFile64<'cache, Endianness, &'cache ReadCache<&'file File>>;

fn invalid(reason: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_string())
}

/// Parses the headers. `object` reads the tables that they name at once, so these must be small.
fn parse<'cache, 'file>(
    cache: &'cache ReadCache<&'file File>,
) -> io::Result<Parsed<'cache, 'file>> {
    let header = elf::FileHeader64::<Endianness>::parse(cache).map_err(invalid)?;
    let endian = header.endian().map_err(invalid)?;
    let sections = header.shnum(endian, cache).map_err(invalid)?;
    let segments = header.phnum(endian, cache).map_err(invalid)?;
    if sections.max(segments) > MAX_HEADERS {
        return Err(invalid("too many sections or segments"));
    }
    let sections = header.section_headers(endian, cache).map_err(invalid)?;
    let contents = [elf::SHT_NULL, elf::SHT_PROGBITS, elf::SHT_NOBITS];
    let tables = sections.iter().filter(|section| !contents.contains(&section.sh_type(endian)));
    let segments = header.program_headers(endian, cache).map_err(invalid)?;
    let notes = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_NOTE);
    let sizes = tables.map(|section| section.sh_size(endian));
    let mut sizes = sizes.chain(notes.map(|segment| segment.p_filesz(endian)));
    let total = sizes.try_fold(0_u64, |total, size| total.checked_add(size));
    if total.is_none_or(|total| total > MAX_SECTION) {
        return Err(invalid("its tables are too large"));
    }
    Parsed::parse(cache).map_err(invalid)
}

/// The names in a table of strings.
struct Names {
    bytes: Vec<u8>,
    /// Number of bytes that may still be read.
    unread: usize,
}

impl Names {
    fn new(bytes: Option<Vec<u8>>) -> Names {
        Names { bytes: bytes.unwrap_or_default(), unread: MAX_NAMES }
    }

    /// The name at an index, if it is not too long.
    fn get(&mut self, index: u32) -> Option<String> {
        let rest = self.bytes.get(index as usize..)?;
        let rest = &rest[..rest.len().min(MAX_NAME).min(self.unread)];
        let length = rest.iter().position(|byte| *byte == 0);
        self.unread -= length.unwrap_or(rest.len());
        Some(str::from_utf8(&rest[..length?]).ok()?.to_owned())
    }
}

impl ElfImage {
    pub(crate) fn open(file: File) -> io::Result<ElfImage> {
        if !file.metadata()?.is_file() {
            return Err(invalid("not a regular file"));
        }
        let cache = ReadCache::new(&file);
        let parsed = parse(&cache)?;
        let (endian, header) = (parsed.endian(), parsed.elf_header());
        if header.e_machine.get(endian) != elf::EM_X86_64 {
            return Err(invalid("not for x86_64"));
        }
        let fixed_address = header.e_type.get(endian) == elf::ET_EXEC;
        let entry = header.e_entry.get(endian);
        let mut segments = Vec::new();
        let mut tls_size = None;
        for header in parsed.elf_program_headers() {
            let start = header.p_vaddr(endian);
            let Some(end) = start.checked_add(header.p_memsz(endian)) else { continue };
            match header.p_type(endian) {
                elf::PT_LOAD => segments.push(Segment {
                    range: start..end,
                    offset: header.p_offset(endian),
                    file_size: header.p_filesz(endian),
                    executable: header.p_flags(endian).contains(elf::PF_X),
                    writable: header.p_flags(endian).contains(elf::PF_W),
                }),
                elf::PT_TLS if end > start => tls_size = Some(end - start),
                _ => {}
            }
        }
        let sections = parsed.sections().filter_map(|section| Section::new(&section)).collect();
        let tls_module_slot = parsed.dynamic_relocations().and_then(|mut relocations| {
            let is_tls_module = |flags| {
                matches!(flags, RelocationFlags::Elf { r_type } if r_type == elf::R_X86_64_DTPMOD64)
            };
            let slot = relocations.find(|(_, relocation)| is_tls_module(relocation.flags()));
            slot.map(|(address, _)| address)
        });
        drop(parsed);
        drop(cache);
        let file = Some(file);
        Ok(ElfImage { file, fixed_address, entry, segments, sections, tls_size, tls_module_slot })
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The content of the build-id note.
    pub(crate) fn build_id(&self) -> Option<Vec<u8>> {
        let cache = ReadCache::new(self.file.as_ref()?);
        let parsed = parse(&cache).ok()?;
        Some(parsed.build_id().ok()??.to_vec())
    }

    /// A section's content, from the file; uncompressed.
    pub(crate) fn section_bytes(&self, name: &str) -> Option<Vec<u8>> {
        let section = self.section(name)?;
        if section.file_size > MAX_SECTION {
            return None;
        }
        if section.compressed {
            return self.uncompressed(name);
        }
        // The length of the file limits the allocation.
        let end = section.offset.checked_add(section.file_size)?;
        let file = self.file.as_ref()?;
        if end > file.metadata().ok()?.len() {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(section.file_size).ok()?];
        file.read_exact_at(&mut bytes, section.offset).ok()?;
        Some(bytes)
    }

    fn uncompressed(&self, name: &str) -> Option<Vec<u8>> {
        let cache = ReadCache::new(self.file.as_ref()?);
        let parsed = parse(&cache).ok()?;
        let data = parsed.section_by_name(name)?.compressed_data().ok()?;
        // The stated size is allocated before the content is read.
        if data.uncompressed_size > MAX_SECTION {
            return None;
        }
        Some(data.decompress().ok()?.into_owned())
    }

    /// All functions with a symbol, by address.
    pub(crate) fn functions(&self) -> Vec<Symbol> {
        let Some(file) = &self.file else { return Vec::new() };
        let cache = ReadCache::new(file);
        let Ok(parsed) = parse(&cache) else { return Vec::new() };
        // Read at once: `object` would read each name by itself.
        let mut names = [".strtab", ".dynstr"].map(|table| Names::new(self.section_bytes(table)));
        let symbols = parsed.symbols().map(|symbol| (symbol, 0));
        let dynamic = parsed.dynamic_symbols().map(|symbol| (symbol, 1));
        let mut functions: Vec<Symbol> = symbols
            .chain(dynamic)
            .filter(|(symbol, _)| symbol.kind() == SymbolKind::Text && symbol.address() != 0)
            .filter_map(|(symbol, table)| {
                let index = symbol.elf_symbol().st_name.get(parsed.endian());
                let name = names[table].get(index)?;
                Some(Symbol { address: symbol.address(), size: symbol.size(), name })
            })
            .take(MAX_SYMBOLS)
            .collect();
        functions.sort_by(|a, b| (a.address, &a.name).cmp(&(b.address, &b.name)));
        functions.dedup();
        functions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_parsed() {
        let file = File::open("/proc/self/exe").expect("this program");
        let image = ElfImage::open(file).expect("an ELF file");
        assert!(image.segments.iter().any(|segment| segment.executable));
        assert!(image.section(".text").is_some_and(|text| !text.range.is_empty()));
        assert!(image.tls_size.is_some());
        let functions = image.functions();
        let is_this = |symbol: &&Symbol| symbol.name.contains("this_program_is_parsed");
        assert!(functions.iter().find(is_this).is_some_and(|symbol| symbol.size > 0));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

        /// Wrong headers and tables lead to an image or an error, not to a panic.
        #[test]
        fn corrupt_file_causes_no_panic(
            changes in proptest::collection::vec((0..4096_usize, 0..256_usize), 1..12),
            in_tables in proptest::collection::vec((0..4096_usize, 0..256_usize), 0..12),
            cut in proptest::option::of(0..100_usize),
        ) {
            use std::io::Write;
            let mut bytes = std::fs::read("/bin/true").expect("every system has it");
            // The section headers are at the end of the file.
            let end = bytes.len();
            let near_end = in_tables.iter().map(|&(distance, value)| (end - 1 - distance, value));
            for (offset, value) in changes.into_iter().chain(near_end) {
                // The headers are in the first 1 KiB; most other bytes of the page are not read.
                let offset = if offset < 4096 { offset % 1024 } else { offset };
                bytes[offset] = value as u8;
            }
            bytes.truncate(end - cut.map_or(0, |percent| end * percent / 100));
            let name = std::ffi::CString::new("hostile").expect("no zero");
            let file = rustix::fs::memfd_create(&name, rustix::fs::MemfdFlags::empty());
            let mut file = File::from(file.expect("memory"));
            file.write_all(&bytes).expect("memory");
            if let Ok(image) = ElfImage::open(file) {
                image.functions();
                for section in &image.sections {
                    image.section_bytes(&section.name);
                }
            }
        }
    }

    /// A file that is mostly a hole, with a table of this type and size.
    fn with_table(table: elf::SectionType, size: u64) -> File {
        const HEADER: usize = 64;
        let mut bytes = std::fs::read("/proc/self/exe").expect("this program")[..HEADER].to_vec();
        let mut set = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        // The section headers follow the header: an empty one, the table, and the names of both.
        set(0x20, &[0; 8]);
        set(0x28, &(HEADER as u64).to_le_bytes());
        set(0x38, &[0, 0, 64, 0, 3, 0, 2, 0]);
        let end = (HEADER * 4) as u64;
        for (kind, size) in [(0, 0), (table.0, size), (elf::SHT_STRTAB.0, 8)] {
            bytes.extend([0; 4]);
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 16]);
            bytes.extend([end, size].map(u64::to_le_bytes).concat());
            bytes.extend([0_u64, 8, 24].map(u64::to_le_bytes).concat());
        }
        let name = std::ffi::CString::new("sparse").expect("no zero");
        let file = rustix::fs::memfd_create(&name, rustix::fs::MemfdFlags::empty());
        let file = File::from(file.expect("memory"));
        file.write_all_at(&bytes, 0).expect("memory");
        file.set_len(end + size + 8).expect("a hole");
        file
    }

    /// A hole of any size takes no space in a file, but memory when it is read.
    #[test]
    fn tables_that_are_too_large_are_not_read() {
        for table in [elf::SHT_SYMTAB, elf::SHT_DYNSYM, elf::SHT_NOTE, elf::SHT_RELA] {
            ElfImage::open(with_table(table, 24)).expect("a small table");
            let error = ElfImage::open(with_table(table, 48 << 30)).expect_err("too large");
            assert_eq!(error.to_string(), "its tables are too large");
        }
        ElfImage::open(with_table(elf::SHT_PROGBITS, 48 << 30)).expect("not a table");
    }

    #[test]
    fn names_that_are_too_long_are_left_out() {
        let bytes = [vec![b'a'; MAX_NAME], vec![0], vec![b'b'; 9], vec![0; 1]].concat();
        let mut names = Names { unread: 4 * MAX_NAME, ..Names::new(Some(bytes)) };
        let name = |names: &mut Names, at: usize| names.get(at as u32).map(|name| name.len());
        assert_eq!(name(&mut names, 0), None);
        assert_eq!(name(&mut names, 1), Some(MAX_NAME - 1));
        assert_eq!(name(&mut names, MAX_NAME + 1), Some(9));
        assert_eq!(name(&mut names, 1 << 20), None);
        let read = (0..1000).filter(|_| name(&mut names, 1).is_some()).count();
        assert_eq!(read, 1, "the rest is too long in total");
    }

    #[test]
    fn files_that_are_not_programs_are_rejected() {
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("a file");
        assert!(ElfImage::open(file).is_err());
        assert!(ElfImage::open(File::open("/dev/zero").expect("a device")).is_err());
        assert!(ElfImage::open(File::open("/").expect("a directory")).is_err());
    }
}
