//! The executable and the shared libraries that are loaded.

use std::{
    cell::OnceCell,
    fs::{self, File},
    ops::Range,
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2},
    io::Errno,
};

use crate::{
    memory::PAGE,
    process::{
        debug,
        elf::{ElfImage, Symbol},
        identity::Identity,
        maps::{Mapping, Maps},
    },
};

/// An executable or shared library in memory.
#[derive(Debug)]
pub(crate) struct Module {
    pub path: String,
    inode: u64,
    /// From the first to the last address.
    pub range: Range<u64>,
    /// Difference between addresses in memory and in the file.
    pub bias: u64,
    pub is_main: bool,
    /// Addresses of its code.
    pub code: Vec<Range<u64>>,
    /// Empty if the module is no longer loaded.
    pub image: ElfImage,
    /// The file with the symbols and debug information that were split off.
    debug: Option<ElfImage>,
    functions: OnceCell<Vec<Symbol>>,
}

impl Module {
    /// File name without folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn unload(&mut self) {
        self.range = 0..0;
        (self.image, self.debug, self.functions) = (ElfImage::default(), None, OnceCell::new());
    }

    pub(crate) fn is_code(&self, address: u64) -> bool {
        self.code.iter().any(|range| range.contains(&address))
    }

    /// The file that has this section of symbols or debug information.
    pub(crate) fn image_with(&self, section: &str) -> Option<&ElfImage> {
        let images = std::iter::once(&self.image).chain(&self.debug);
        images.into_iter().find(|image| image.section(section).is_some())
    }

    /// Functions with a symbol, with their addresses in the file; empty if the file is stripped.
    pub(crate) fn functions(&self) -> &[Symbol] {
        let image = self.image_with(".symtab").unwrap_or(&self.image);
        self.functions.get_or_init(|| image.functions())
    }

    /// The function that contains `address`.
    pub(crate) fn function_at(&self, address: u64) -> Option<&Symbol> {
        let file_address = address.wrapping_sub(self.bias);
        let functions = self.functions();
        let count = functions.partition_point(|function| function.address <= file_address);
        let function = functions[..count].last()?;
        (file_address - function.address < function.size.max(1)).then_some(function)
    }

    /// A section's addresses in memory; `None` if it is empty or not loaded.
    pub(crate) fn section(&self, name: &str) -> Option<Range<u64>> {
        let Range { start, end } = self.image.section(name)?.range;
        let range = self.bias.wrapping_add(start)..self.bias.wrapping_add(end);
        (start != 0 && range.start < range.end).then_some(range)
    }

    /// Read-only data with relocated pointers, which contains constants such as vtables.
    pub(crate) fn constants(&self, maps: &Maps) -> Vec<Range<u64>> {
        // Pointers of a file that is loaded at a fixed address need no relocation.
        let has_constants = |name: &str| {
            name.starts_with(".data.rel.ro")
                || (self.image.fixed_address && name.starts_with(".rodata"))
        };
        let names = self.image.sections.iter().map(|section| section.name.as_str());
        let sections: Vec<_> = names
            .filter(|name| has_constants(name))
            .filter_map(|name| self.section(name))
            // The headers may state any size.
            .flat_map(|section| maps.readable(&section))
            .collect();
        if !sections.is_empty() {
            return sections;
        }
        // Without section headers: all that is mapped from the file except code.
        maps.iter()
            .filter(|mapping| self.range.contains(&mapping.range.start))
            .filter(|mapping| mapping.readable && !mapping.executable && mapping.name == self.path)
            .map(|mapping| mapping.range.clone())
            .collect()
    }
}

/// The changes of a list of modules.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The paths of the modules that cannot be opened.
    pub unreadable: Vec<String>,
    /// The indices of the modules that are no longer loaded, or at other addresses.
    pub unloaded: Vec<usize>,
}

/// Adds the modules that are loaded and not in the list yet. Those that are no longer loaded keep
/// their place in the list, without code and without an open file, until they are loaded again.
pub(crate) fn update(identity: &Identity, maps: &Maps, modules: &mut Vec<Module>) -> Changes {
    let main = fs::read_link(identity.path("exe")).unwrap_or_default();
    let mut changes = Changes::default();
    for (index, module) in modules.iter_mut().enumerate() {
        let was_loaded = !module.code.is_empty();
        module.code.retain(|range| maps.code().any(|mapping| mapping.range == *range));
        if was_loaded && module.code.is_empty() {
            module.unload();
            changes.unloaded.push(index);
        }
    }
    for mapping in maps.code() {
        if let Some(known) = modules.iter_mut().find(|module| {
            module.path == mapping.name && module.range.contains(&mapping.range.start)
        }) {
            if !known.code.contains(&mapping.range) {
                known.code.push(mapping.range.clone());
            }
            continue;
        }
        let is_main = mapping.name == main.to_string_lossy();
        let module = open(identity, mapping, is_main)
            .and_then(|file| ElfImage::open(file).ok())
            .and_then(|image| locate(mapping, is_main, image))
            .map(|module| Module { debug: debug::find(&module.image), ..module });
        match module {
            Some(module) => {
                let is_same = |it: &&mut Module| {
                    it.code.is_empty() && (&it.path, it.inode) == (&module.path, module.inode)
                };
                match modules.iter_mut().find(is_same) {
                    Some(place) => *place = module,
                    None => modules.push(module),
                }
            }
            None => changes.unreadable.push(mapping.name.clone()),
        }
    }
    changes
}

const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Opens the file of a mapping, in the file system of the process.
fn open(identity: &Identity, mapping: &Mapping, is_main: bool) -> Option<File> {
    if is_main {
        return File::open(identity.path("exe")).ok();
    }
    let Range { start, end } = mapping.range;
    let is_same = |file: &File| {
        let metadata = file.metadata();
        metadata.is_ok_and(|it| it.is_file() && it.ino() == mapping.inode)
    };
    // Needs a capability.
    let mapped = identity.path(&format!("map_files/{start:x}-{end:x}"));
    let mapped = rustix::fs::open(mapped, READ, Mode::empty()).ok().map(File::from);
    // Does not exist for deleted files.
    mapped.filter(is_same).or_else(|| open_in_root(identity, &mapping.name).filter(is_same))
}

/// Opens a file by its path in the file system of the process. The path is the target's text: it may be
/// that of a pipe or a device, which would block, and a link in it may be absolute, which must not lead
/// out of the root directory of the process.
fn open_in_root(identity: &Identity, path: &str) -> Option<File> {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(identity.path("root"), directory, Mode::empty()).ok()?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match openat2(&root, path, READ, Mode::empty(), resolve) {
        // Linux before 5.6. In the root directory of this process, no link leads out of it.
        Err(Errno::NOSYS) if fs::read_link(identity.path("root")).is_ok_and(is_root) => {
            rustix::fs::open(path, READ, Mode::empty()).ok().map(File::from)
        }
        opened => opened.ok().map(File::from),
    }
}

fn is_root(path: PathBuf) -> bool {
    path.as_os_str() == "/"
}

/// The module whose code is in `mapping`: finds its addresses from the segment with that code.
fn locate(mapping: &Mapping, is_main: bool, image: ElfImage) -> Option<Module> {
    let segment = image.segments.iter().find(|segment| {
        let first = segment.offset / PAGE * PAGE;
        segment.executable
            && (first..segment.offset.saturating_add(segment.file_size)).contains(&mapping.offset)
    })?;
    let bias = mapping.range.start.wrapping_sub(
        segment.range.start.wrapping_add(mapping.offset).wrapping_sub(segment.offset),
    );
    let start = image.segments.iter().map(|segment| segment.range.start).min()?;
    let end = image.segments.iter().map(|segment| segment.range.end).max()?;
    let range = bias.wrapping_add(start) / PAGE * PAGE..bias.wrapping_add(end);
    (range.start < range.end && range.contains(&mapping.range.start)).then(|| Module {
        path: mapping.name.clone(),
        inode: mapping.inode,
        range,
        bias,
        is_main,
        code: vec![mapping.range.clone()],
        image,
        debug: None,
        functions: OnceCell::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_the_kernel_are_not_followed_out_of_the_root_of_the_process() {
        let identity = Identity::open(std::process::id()).expect("the own process");
        assert!(open_in_root(&identity, "/proc/self/exe").is_none());
        let exe = std::env::current_exe().expect("a path");
        assert!(open_in_root(&identity, exe.to_str().expect("UTF-8")).is_some());
    }

    #[test]
    fn libraries_are_added_when_they_are_loaded_and_lose_their_code_when_they_are_not() {
        let identity = Identity::open(std::process::id()).expect("the own process");
        let all = fs::read_to_string("/proc/self/maps").expect("the own mappings");
        let without_libc = all.lines().filter(|line| !line.contains("/libc.so"));
        let without_libc = Maps::parse(&without_libc.collect::<Vec<_>>().join("\n"));
        let mut modules = Vec::new();
        let position = |modules: &[Module]| {
            modules.iter().position(|module| module.name().starts_with("libc.so"))
        };
        update(&identity, &without_libc, &mut modules);
        let (count, code) = (modules.len(), modules[0].code.clone());
        assert_eq!(position(&modules), None);
        update(&identity, &Maps::parse(&all), &mut modules);
        assert_eq!((position(&modules), &modules[0].code), (Some(count), &code), "the last one");
        let has_text = |module: &Module| module.image.section_bytes(".text").is_some();
        assert!(has_text(&modules[count]));
        let changes = update(&identity, &without_libc, &mut modules);
        assert_eq!(changes.unloaded, [count]);
        let libc = &modules[count];
        assert!(libc.code.is_empty() && libc.range.is_empty());
        assert_eq!((modules.len(), &modules[0].code), (count + 1, &code));
        assert!(!has_text(&modules[count]), "its file is closed");
        update(&identity, &Maps::parse(&all), &mut modules);
        assert_eq!((position(&modules), modules.len()), (Some(count), count + 1), "its own place");
        assert!(!modules[count].code.is_empty() && has_text(&modules[count]));
    }
}
