//! Commands to a target, and their answers.

use std::sync::Arc;

use crate::AwaitPoint;

/// A command to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Command {
    /// Changes the lab.
    Lab(LabCommand),
    /// Requests the await point of the task with this number. The task is polled once for it.
    AwaitPoint(u64),
}

/// A command to a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LabCommand {
    /// Turns the hog on, or off at once. Cancels a pending restart.
    ToggleHog,
    /// Turns the hog on if it is off.
    ReleaseHog,
    /// The next kind of hog.
    NextHogKind,
    /// The previous kind of hog.
    PreviousHogKind,
    /// A longer hold time: the hog yields later, or does more work at a time; at last never.
    HoldLonger,
    /// A shorter hold time.
    HoldShorter,
    /// Switches to the other flavor of runtime: all tasks end, and the workloads start again. A hog
    /// that is on waits for [`ReleaseHog`](Self::ReleaseHog), so that there is a baseline first.
    SwitchFlavor,
    /// One more instance of the workload at this position.
    Raise(usize),
    /// One instance fewer.
    Lower(usize),
    /// End the tasks of the workload at this position for now, or start as many again.
    Pause(usize),
    /// End all instances of the workload at this position, and start as many new ones.
    Restart(usize),
    /// Adds a worker, on a new runtime, as with [`SwitchFlavor`](Self::SwitchFlavor).
    MoreWorkers,
    /// One worker less, on a new runtime.
    FewerWorkers,
    /// The next mode of the workload at this position.
    SwitchMode(usize),
    /// Cancel the task with this number, which takes effect at its next await.
    Cancel(u64),
}

/// The answer to a command. It stays in the samples for [`Target::KEPT_NS`](crate::Target::KEPT_NS).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Answer {
    /// The number of the request.
    pub request: u64,
    /// When the command was received, in nanoseconds on the target's clock.
    pub received_ns: u64,
    /// The result so far.
    pub outcome: Outcome,
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// A sentence to show.
    Message(Arc<str>),
    /// An await point, as far as it is known yet.
    AwaitPoint(AwaitPoint),
}
