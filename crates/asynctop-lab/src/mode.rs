//! The mode of a workload, which the user may switch while it runs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Allows, WorkloadSpec};

/// One of some ways, the same for all who hold a clone.
#[derive(Clone, Debug)]
pub(crate) struct Mode {
    words: &'static [&'static str],
    at: Arc<AtomicUsize>,
}

impl Mode {
    /// As the scenario has it; `None` if this kind of work knows one way only.
    pub(crate) fn of(spec: &WorkloadSpec) -> Option<Mode> {
        spec.kind.params.iter().find_map(|param| {
            let Allows::Mode(words) = param.allows else { return None };
            let word = spec.params.word(param);
            let at = words.iter().position(|known| *known == word)?;
            Some(Mode { words, at: Arc::new(AtomicUsize::new(at)) })
        })
    }

    /// The way that is taken now.
    pub(crate) fn word(&self) -> &'static str {
        self.words.get(self.at.load(Ordering::Relaxed)).copied().unwrap_or_default()
    }

    /// On to the next one.
    pub(crate) fn next(&self) {
        let next = (self.at.load(Ordering::Relaxed) + 1) % self.words.len().max(1);
        self.at.store(next, Ordering::Relaxed);
    }
}
