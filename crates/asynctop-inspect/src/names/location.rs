//! `core::panic::Location` in memory: file, line, column.

use asynctop_snapshot::{FrameKind, text::short_source_path};
use asynctop_stack::frame_kind;

use crate::{
    memory::{Memory, MemoryExt},
    names::text::sanitize,
};

/// A location in source code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CodeLocation {
    /// Path as given to the compiler.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1; 0 if not known.
    pub column: u32,
}

impl CodeLocation {
    /// The location at `address`; `None` if the memory there has another shape.
    pub(crate) fn read(memory: &(impl Memory + ?Sized), address: u64) -> Option<CodeLocation> {
        const MAX_PATH_LENGTH: u64 = 2048;
        let words = memory.words(address, 3);
        let &[file, length, position] = words.first_chunk()?;
        let (line, column) = (position as u32, (position >> 32) as u32);
        let is_location = (1..=MAX_PATH_LENGTH).contains(&length)
            && (1..1 << 24).contains(&line)
            && (1..1 << 16).contains(&column);
        if !is_location {
            return None;
        }
        let bytes = memory.bytes(file, length as usize);
        let text = str::from_utf8(&bytes).ok().filter(|text| text.len() as u64 == length)?;
        let is_path = text.contains('.') && !text.chars().any(char::is_control);
        is_path.then(|| CodeLocation { file: sanitize(text), line, column })
    }

    /// Whether it is in the program's own code, as far as the path shows.
    pub fn is_own(&self) -> bool {
        frame_kind("", Some(&self.file)) == FrameKind::User
    }

    /// The path from the folder of the crate on: `tokio-1.54.1/src/x.rs`, `server/src/main.rs`. A
    /// relative path is unchanged.
    pub fn short_file(&self) -> &str {
        short_source_path(&self.file)
    }
}

impl std::fmt::Display for CodeLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.short_file(), self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Image;

    #[test]
    fn location_is_read_and_other_memory_is_rejected() {
        let path = b"/home/a/server/src/conn.rs";
        let mut image = Image::new([(0x1000, path.to_vec()), (0x2000, vec![0; 64])]);
        image.set_word(0x2000, 0x1000);
        image.set_word(0x2008, path.len() as u64);
        image.set_word(0x2010, 9 << 32 | 27);
        let location = CodeLocation::read(&image, 0x2000).expect("a location");
        assert_eq!(location.to_string(), "server/src/conn.rs:27");
        assert_eq!(location.column, 9);
        assert_eq!(CodeLocation::read(&image, 0x2008), None);
        assert_eq!(CodeLocation::read(&image, 0x3000), None);
        image.set_word(0x2008, u64::MAX);
        assert_eq!(CodeLocation::read(&image, 0x2000), None);
    }

    #[test]
    fn short_file_starts_at_the_crate() {
        let cases = [
            (
                "/home/user/.cargo/registry/src/index-1/hyper-1.2.3/src/proto/h1.rs",
                "hyper-1.2.3/src/proto/h1.rs",
            ),
            ("/rustc/abc/library/core/src/ops/function.rs", "core/src/ops/function.rs"),
            ("src/main.rs", "src/main.rs"),
            ("/home/a/app/src/bin/server.rs", "app/src/bin/server.rs"),
            ("crates/net/src/conn.rs", "crates/net/src/conn.rs"),
            ("healthy.rs", "healthy.rs"),
        ];
        for (file, short) in cases {
            let location = CodeLocation { file: file.into(), line: 1, column: 1 };
            assert_eq!(location.short_file(), short);
        }
    }
}
