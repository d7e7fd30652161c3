//! Files for data of other programs, which may be confidential.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Creates a file that only its owner can read.
///
/// # Errors
/// If it cannot be created. An existing file or link is an error.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                "name a file in a folder that exists"
            }
            _ => "name a file that does not exist",
        };
        let sentence = format!("cannot create {}: {error}; {advice}", path.display());
        io::Error::new(error.kind(), sentence)
    })
}
