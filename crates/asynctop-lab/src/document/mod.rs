//! Reads TOML files key by key; errors name the line.
//!
//! Depends on the text functions of `asynctop-snapshot` only. The keys of a document are defined by
//! its reader: the scenarios of this crate, the configuration of the program.
//!
//! ```
//! use asynctop_lab::document;
//!
//! let read = |text| document::parse("demo.toml", text, |table| {
//!     table.check_keys(&["title"])?;
//!     table.get("title").map(|title| title.text(80)).transpose()
//! });
//! assert_eq!(read("title = \"hello\"").unwrap().as_deref(), Some("hello"));
//! let error = read("\ntitel = 1").unwrap_err().to_string();
//! assert!(error.starts_with("demo.toml:2: titel: there is no such key (did you mean `title`?)"));
//! ```

mod error;
mod table;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use toml::de::DeTable;

pub use error::DocumentError;
pub use table::{KeyValue, Table, type_name};

use asynctop_snapshot::text::sanitize;
use table::Source;

/// The maximum size of a file.
const MAX_BYTES: u64 = 64 * 1024;

/// A path for an error message: sanitized, and only its end if it is very long.
pub fn display(path: &Path) -> String {
    const MAX_CHARS: usize = 200;
    let path = path.to_string_lossy();
    let path = sanitize(&path);
    let excess = path.chars().count().saturating_sub(MAX_CHARS);
    match excess {
        0 => path.into_owned(),
        _ => format!("…{}", path.chars().skip(excess + 1).collect::<String>()),
    }
}

/// Reads a file whose content is not trusted. Error messages contain the `kind` of document and the
/// `remedy`.
///
/// # Errors
/// If the file cannot be read, is not a regular file, is too long or is not UTF-8.
pub fn load(
    path: &Path,
    kind: &'static str,
    remedy: &'static str,
) -> Result<String, DocumentError> {
    let file = display(path);
    // Checked before opening, because opening a pipe waits for a writer.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(DocumentError::NotAFile { kind, file, remedy });
    }
    match read(path) {
        Ok(bytes) if bytes.len() as u64 > MAX_BYTES => Err(DocumentError::TooLong { file, kind }),
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| DocumentError::NotText { file, kind }),
        Err(error) => Err(DocumentError::Read { kind, file, remedy, error }),
    }
}

/// Reads at most one byte more than allowed, because the file may be endless.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Parses the text of `file` and calls `read` with its top-level table.
///
/// # Errors
/// If the text is not TOML, or those of `read`.
pub fn parse<T>(
    file: &str,
    text: &str,
    read: impl FnOnce(&Table<'_>) -> Result<T, DocumentError>,
) -> Result<T, DocumentError> {
    let source = Source { file, text };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let problem = format!("this is not TOML: {}; see https://toml.io", error.message());
        source.error(at, "", &problem)
    })?;
    read(&Table::root(source, table.get_ref()))
}
