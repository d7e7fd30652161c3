//! Temporary files that are unlinked at once: the system removes them when they are closed, or when
//! the program is killed.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

pub(super) fn unlinked_file() -> io::Result<File> {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let number = OPENED.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("asynctop-{}-{number}.tmp", process::id()));
    // Left over from a process with this ID that was killed before it unlinked the file.
    let _ = fs::remove_file(&path);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|file| fs::remove_file(&path).map(|()| file)).map_err(|error| {
        let message = format!(
            "cannot create the temporary file {}: {error} (TMPDIR can name another directory)",
            path.display()
        );
        io::Error::new(error.kind(), message)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn file_has_no_name() {
        let file = unlinked_file().expect("a temporary directory");
        assert_eq!(file.metadata().expect("metadata").nlink(), 0);
    }
}
