//! The reader's side of the recorders: switches them on while it is there, and follows
//! what the threads write.

use super::{recorder::Recorder, registry::Registry, ring::Stretch};

/// Follows when each thread polled whom. While there is one of a registry, its threads
/// write down their polls.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let registry = asynctop::probe::Registry::global();
/// let mut recording = registry.record();
/// asynctop::spawn_named("greeter", async {}).await.unwrap();
/// let threads = recording.read();
/// assert!(threads.iter().any(|thread| thread.every.stretches.len() == 1));
/// # }
/// ```
#[derive(Debug)]
pub struct Recording {
    registry: &'static Registry,
    /// By the threads' places: the numbers of the next stretches of both rings.
    next: Vec<(u64, u64)>,
}

/// What a thread has written down since the last look.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Each poll.
    pub every: Kept,
    /// The polls that a tick fell into, one each [`TICK_NS`](super::TICK_NS): the longer
    /// ones all, of the shorter ones a sample.
    pub ticked: Kept,
}

/// What is left of what was written down, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// How many came before these and were overwritten.
    pub lost: u64,
    /// The times, which never overlap.
    pub stretches: Vec<Stretch>,
}

impl Recording {
    pub(super) fn new(registry: &'static Registry) -> Self {
        let numbers = |recorder: &Recorder| (recorder.every.pushed(), recorder.ticked.pushed());
        let known = registry.recorders();
        // What was written for somebody before is none of ours.
        let next = known.iter().map(|known| known.map(numbers).unwrap_or_default()).collect();
        registry.begin_recording();
        Recording { registry, next }
    }

    /// What each thread has written down since the last look, in the order of
    /// [`Registry::threads`].
    pub fn read(&mut self) -> Vec<Recorded> {
        let recorders = self.registry.recorders();
        self.next.resize(recorders.len(), (0, 0));
        let read = |(recorder, next): (&Option<&Recorder>, &mut (u64, u64))| {
            let mut recorded = Recorded::default();
            if let Some(recorder) = recorder {
                let Recorded { every, ticked } = &mut recorded;
                every.lost = recorder.every.copy(&mut next.0, &mut every.stretches);
                ticked.lost = recorder.ticked.copy(&mut next.1, &mut ticked.stretches);
            }
            recorded
        };
        recorders.iter().zip(&mut self.next).map(read).collect()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.registry.end_recording();
    }
}
