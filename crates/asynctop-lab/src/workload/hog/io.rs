//! The file that a hog writes to.

use std::{env, fs::File, io, sync::Arc};

use asynctop_probe::stage;

use super::{super::temp_file::unlinked_file, repeat, write_and_sync};
use crate::hog::HogControl;

static PAGE: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// An unlinked file, which all hogs of one start share.
#[derive(Clone)]
pub(super) struct ScratchFile(Arc<File>);

impl ScratchFile {
    pub(super) fn open() -> io::Result<ScratchFile> {
        Ok(ScratchFile(Arc::new(unlinked_file()?)))
    }

    /// Writes the same page until the hold time is over.
    pub(super) fn burst(&self, control: &HogControl) -> Result<(), String> {
        stage("writes and syncs");
        repeat(control, || write_and_sync(&self.0, &PAGE).map_err(|error| failure(&error)))
    }
}

fn failure(error: &io::Error) -> String {
    let directory = env::temp_dir();
    format!(
        "cannot write a temporary file in {}: {error}; TMPDIR can name another directory",
        directory.display()
    )
}
