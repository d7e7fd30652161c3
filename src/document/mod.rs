//! TOML files that people write: read key by key, and every complaint knows its line.
//!
//! This room knows TOML and what is safe to print. It knows nothing of what the files say:
//! scenarios and the configuration are read by those who own them.

mod error;
mod table;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use toml::de::DeTable;

pub use error::DocumentError;
pub(crate) use table::{Entry, Table, what};

use crate::text::{fit_path, sanitize};
use table::Source;

/// A longer file is none of ours.
pub(crate) const MAX_BYTES: u64 = 64 * 1024;

/// A path for a message: sanitized, and only its end if it is very long.
pub(crate) fn display(path: &Path) -> String {
    const MAX_WIDTH: usize = 200;
    fit_path(&sanitize(&path.to_string_lossy()), MAX_WIDTH, false).into_owned()
}

/// Reads a file, of which nothing is believed. `what` it should be, and the `remedy` if it
/// cannot be read, are for complaints.
pub(crate) fn load(
    path: &Path,
    what: &'static str,
    remedy: &'static str,
) -> Result<String, DocumentError> {
    let file = display(path);
    // Before it is opened: opening a pipe waits for a writer.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(DocumentError::NotAFile { what, file, remedy });
    }
    match read(path) {
        Ok(bytes) if bytes.len() as u64 > MAX_BYTES => Err(DocumentError::TooLong { file, what }),
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| DocumentError::NotText { file, what }),
        Err(error) => Err(DocumentError::Read { what, file, remedy, error }),
    }
}

/// One byte more than is allowed, at most: the file may have no end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Parses the text of `file` and hands its top table to `read`.
pub(crate) fn parse<T>(
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
    read(&Table::top(source, table.get_ref()))
}
