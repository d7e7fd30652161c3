//! Sources of snapshots: the lab, programs with console-subscriber, and any Tokio program of this
//! machine.
//!
//! Depends on the lab, the probe, the inspection of processes and the snapshot, not on the model or
//! the screens.

#[cfg(feature = "attach")]
pub mod attach;
mod collector;
pub mod lab;
#[cfg(feature = "pid")]
pub mod process;

#[cfg(feature = "attach")]
pub use attach::Address;
pub use collector::{Collector, CollectorHandle};
#[cfg(feature = "pid")]
pub use process::{Program, ReadOptions};

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::snapshot::{Command, Snapshot, Subscription, Target, TargetId};

/// A program that can be sampled.
pub trait Source: Send {
    /// Returns the current state of the program. Its id is replaced by the index of the source. Never
    /// waits for the watched runtime.
    fn sample(&mut self, subscription: &Subscription) -> Target;

    /// A handle to send commands to the program, if it supports any.
    fn control(&self) -> Option<Arc<dyn Control>> {
        None
    }

    /// Sets the function to call when a sample is due before the end of the interval. It does not
    /// block.
    fn on_change(&mut self, _request_sample: Box<dyn Fn() + Send + Sync>) {}

    /// The last sample of a run. Waits at most `timeout` for data about events before this call
    /// that is still missing, such as the symbols of stacks. `None` if another sample adds nothing.
    fn last_sample(&mut self, _: &Subscription, _timeout: Duration) -> Option<Target> {
        None
    }

    /// Takes the sources that the latest sample has found, such as another runtime of the program.
    fn take_discovered(&mut self) -> Vec<Box<dyn Source>> {
        Vec::new()
    }
}

/// Sends commands to a program. No method waits for a sample or for the watched runtime.
pub trait Control: Send + Sync {
    /// Executes a command. A later sample contains the answer under the number of the request.
    fn send(&self, request: u64, command: Command);

    /// Stops everything that the source has started.
    fn shutdown(&self);
}

/// Samples all sources, one after the other, and adds those that they discover.
pub fn sample_all(sources: &mut Vec<Box<dyn Source>>, subscription: &Subscription) -> Snapshot {
    let mut targets = Vec::new();
    while let Some(source) = sources.get_mut(targets.len()) {
        targets.push(Arc::new(sample(&mut **source, targets.len(), subscription)));
        let discovered = source.take_discovered();
        sources.extend(discovered);
    }
    assemble(targets)
}

/// The last samples of all sources; `None` if no source has one. See [`Source::last_sample`].
pub fn last_samples(
    sources: &mut [Box<dyn Source>],
    subscription: &Subscription,
    timeout: Duration,
) -> Option<Snapshot> {
    let last = |source: &mut Box<dyn Source>| source.last_sample(subscription, timeout);
    let last: Vec<_> = sources.iter_mut().map(last).collect();
    if last.iter().all(Option::is_none) {
        return None;
    }
    let targets = last.into_iter().zip(sources).enumerate().map(|(index, (target, source))| {
        let target = target.unwrap_or_else(|| source.sample(subscription));
        Arc::new(Target { id: id(index), ..target })
    });
    Some(assemble(targets.collect()))
}

/// Samples the source at `index`, which is the id of its target.
fn sample(source: &mut dyn Source, index: usize, subscription: &Subscription) -> Target {
    Target { id: id(index), ..source.sample(subscription) }
}

fn id(index: usize) -> TargetId {
    TargetId(u32::try_from(index).unwrap_or(u32::MAX))
}

fn assemble(targets: Vec<Arc<Target>>) -> Snapshot {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Snapshot { unix_ns: nanos(unix), targets }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
