//! Pointers in thread-local blocks that are known not to point to a runtime.

use std::collections::HashSet;

/// Number of inspections after which all pointers are examined again, because a runtime may have been
/// created at the address of other data.
const MAX_INSPECTIONS: u32 = 8;

/// The pointers that earlier inspections have examined.
#[derive(Debug, Default)]
pub(super) struct NoRuntimes {
    pointers: HashSet<u64>,
    /// The threads whose blocks have these pointers.
    threads: Vec<u32>,
    inspections: u32,
}

impl NoRuntimes {
    /// Starts an inspection of these threads. Forgets all pointers if the threads have changed, because
    /// a new runtime mostly has new threads.
    pub(super) fn start(&mut self, threads: impl Iterator<Item = u32>) {
        let threads: Vec<u32> = threads.collect();
        self.inspections += 1;
        if threads != self.threads || self.inspections > MAX_INSPECTIONS {
            *self = NoRuntimes { pointers: HashSet::new(), threads, inspections: 1 };
        }
    }

    pub(super) fn contains(&self, pointer: u64) -> bool {
        self.pointers.contains(&pointer)
    }

    pub(super) fn extend(&mut self, pointers: impl Iterator<Item = u64>) {
        self.pointers.extend(pointers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_forgotten_when_threads_change_and_periodically() {
        let mut known = NoRuntimes::default();
        known.start([1, 2].into_iter());
        known.extend([7].into_iter());
        for _ in 1..MAX_INSPECTIONS {
            known.start([1, 2].into_iter());
            assert!(known.contains(7));
        }
        known.start([1, 2].into_iter());
        assert!(!known.contains(7));
        known.extend([7].into_iter());
        known.start([1, 2, 3].into_iter());
        assert!(!known.contains(7));
    }
}
