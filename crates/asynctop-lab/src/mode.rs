//! The mode of a workload, which the user may switch while it runs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// One of several modes. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Mode {
    words: &'static [&'static str],
    at: Arc<AtomicUsize>,
}

impl Mode {
    /// One of `words`, at first `word`; `None` if that is none of them.
    pub(crate) fn new(words: &'static [&'static str], word: &str) -> Option<Mode> {
        let at = words.iter().position(|known| *known == word)?;
        Some(Mode { words, at: Arc::new(AtomicUsize::new(at)) })
    }

    /// The current mode.
    pub(crate) fn word(&self) -> &'static str {
        self.words.get(self.at.load(Ordering::Relaxed)).copied().unwrap_or_default()
    }

    /// Switches to the next mode.
    pub(crate) fn next(&self) {
        let next = (self.at.load(Ordering::Relaxed) + 1) % self.words.len().max(1);
        self.at.store(next, Ordering::Relaxed);
    }
}
