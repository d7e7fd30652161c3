//! A folder for the files of a test.

use std::{
    env, fs,
    ops::Deref,
    path::{Path, PathBuf},
    process,
};

/// An empty folder of this process, removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Creates it. No other test of this binary uses the name.
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
