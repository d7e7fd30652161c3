//! The mode of a workload, which the user can switch while the lab runs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The current one of several named modes. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Mode {
    names: &'static [&'static str],
    current: Arc<AtomicUsize>,
}

impl Mode {
    /// Starts in the mode `name`; `None` if `names` does not contain it.
    pub(crate) fn new(names: &'static [&'static str], name: &str) -> Option<Mode> {
        let index = names.iter().position(|known| *known == name)?;
        Some(Mode { names, current: Arc::new(AtomicUsize::new(index)) })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.names.get(self.current.load(Ordering::Relaxed)).copied().unwrap_or_default()
    }

    /// All names, in the order of [`switch_to_next`](Self::switch_to_next).
    pub(crate) fn names(&self) -> &'static [&'static str] {
        self.names
    }

    /// Switches to the mode at this position, if there is one.
    pub(crate) fn select(&self, position: usize) {
        if position < self.names.len() {
            self.current.store(position, Ordering::Relaxed);
        }
    }

    pub(crate) fn switch_to_next(&self) {
        let next = (self.current.load(Ordering::Relaxed) + 1) % self.names.len().max(1);
        self.current.store(next, Ordering::Relaxed);
    }
}
