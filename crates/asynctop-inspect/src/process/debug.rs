//! Files with the symbols and debug information that were split off a program, as distributions
//! install them. They are found by the build id, and only in the standard folder, because the id
//! comes from the target.

use std::{
    fmt::Write,
    fs::File,
    path::{Path, PathBuf},
};

use crate::process::elf::ElfImage;

const FOLDER: &str = "/usr/lib/debug/.build-id";

/// The debug file of a program or library that lacks symbols or line tables.
pub(super) fn find(image: &ElfImage) -> Option<ElfImage> {
    let is_complete = [".symtab", ".debug_line"].iter().all(|name| image.section(name).is_some());
    if is_complete {
        return None;
    }
    find_in(Path::new(FOLDER), &image.build_id()?)
}

fn find_in(folder: &Path, id: &[u8]) -> Option<ElfImage> {
    let image = ElfImage::open(File::open(debug_path(folder, id)?).ok()?).ok()?;
    (image.build_id()? == id).then_some(image)
}

/// `FOLDER/ab/cdef….debug`
fn debug_path(folder: &Path, id: &[u8]) -> Option<PathBuf> {
    /// An id is a hash of 16 or 20 bytes.
    const LENGTHS: std::ops::RangeInclusive<usize> = 8..=64;
    let (first, rest) = id.split_first().filter(|_| LENGTHS.contains(&id.len()))?;
    let mut name = String::new();
    for byte in rest {
        // Writing to a `String` cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Some(folder.join(format!("{first:02x}")).join(name + ".debug"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_file_is_found_by_its_build_id() {
        let id = [0xab, 0xcd, 0, 1, 2, 3, 4, 0xff];
        let path = debug_path(Path::new("/debug"), &id).expect("an id");
        assert_eq!(path, Path::new("/debug/ab/cd0001020304ff.debug"));
        assert_eq!(debug_path(Path::new("/debug"), &[1; 7]), None, "too short");

        let folder = std::env::temp_dir().join(format!("asynctop-debug-{}", std::process::id()));
        let program = std::env::current_exe().expect("this program");
        let image =
            ElfImage::open(File::open(&program).expect("this program")).expect("an ELF file");
        assert!(find(&image).is_none(), "it is complete");
        let id = image.build_id().unwrap_or_else(|| vec![7; 20]);
        let path = debug_path(&folder, &id).expect("an id");
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        std::fs::copy(&program, &path).expect("a copy");
        assert_eq!(find_in(&folder, &id).is_some(), image.build_id().is_some());
        let other = debug_path(&folder, &[id[0]; 20]).expect("an id");
        std::fs::rename(&path, other).expect("the same folder");
        assert!(find_in(&folder, &[id[0]; 20]).is_none(), "of another build");
        std::fs::remove_dir_all(&folder).expect("it exists");
    }
}
