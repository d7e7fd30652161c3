//! A folder for the files of a test.

use std::{
    env, fs,
    ops::Deref,
    path::{Path, PathBuf},
    process,
};

/// A temporary folder, removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates an empty folder. Names are unique within a test binary.
    pub fn new(name: &str) -> Folder {
        let path = env::temp_dir().join(format!("asynctop-test-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
