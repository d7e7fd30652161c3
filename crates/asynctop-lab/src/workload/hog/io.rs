//! The file that a hog writes to.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use asynctop_probe::stage;

use super::{again_and_again, write_and_sync};
use crate::hog::Orders;

static PAGE: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// A file without a name: the system forgets it when the last hog has closed it, and also
/// when the program is killed.
#[derive(Clone)]
pub(super) struct Scratch(Arc<File>);

impl Scratch {
    pub(super) fn open() -> io::Result<Scratch> {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("asynctop-{}-{number}.tmp", process::id()));
        // Of a program with this number that was killed just before it took the name away.
        let _ = fs::remove_file(&path);
        let explain = |error: io::Error| {
            let said = format!("{}: {error} (TMPDIR can name another directory)", path.display());
            io::Error::new(error.kind(), said)
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(explain)?;
        fs::remove_file(&path).map_err(explain)?;
        Ok(Scratch(Arc::new(file)))
    }

    /// Writes the same page until the hold is over.
    pub(super) fn round(&self, orders: &Orders) -> Result<(), String> {
        stage("writes and syncs");
        again_and_again(orders, || write_and_sync(&self.0, &PAGE).map_err(|error| failure(&error)))
    }
}

fn failure(error: &io::Error) -> String {
    let directory = env::temp_dir();
    format!(
        "cannot write a temporary file in {}: {error}; TMPDIR can name another directory",
        directory.display()
    )
}
