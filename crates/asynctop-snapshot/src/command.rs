//! Commands to a target, and their answers.

use std::sync::Arc;

use crate::AwaitPoint;

/// A command to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Command {
    /// Changes the lab.
    Lab(LabCommand),
    /// Requests the await point of the task with this key, which takes one extra poll.
    AwaitPoint(u64),
}

/// A command to a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LabCommand {
    /// Turns the hog on or off. Cancels a pending restart.
    ToggleHog,
    /// Turns the hog on if it is off.
    TurnOnHog,
    /// Selects the kind of hog at this position in [`HogStats::kinds`](crate::HogStats::kinds). A
    /// hog that is on is replaced; if the new kind cannot run, nothing changes.
    SelectHogKind(usize),
    /// Lengthens the hold time, up to `never`: the hog yields later, or does more work at a time.
    LengthenHold,
    /// Shortens the hold time.
    ShortenHold,
    /// Switches to the other flavor of runtime: all tasks end, and the workloads start again. A hog
    /// that is on stays off until [`TurnOnHog`](Self::TurnOnHog), so that there is a baseline.
    SwitchFlavor,
    /// Adds an instance of the workload at this position.
    AddInstance(usize),
    /// Removes an instance of the workload at this position.
    RemoveInstance(usize),
    /// Stops all instances of the workload at this position, or starts the same number again.
    Pause(usize),
    /// Stops all instances of the workload at this position, and starts as many new ones.
    Restart(usize),
    /// Adds a worker, on a new runtime, as with [`SwitchFlavor`](Self::SwitchFlavor).
    AddWorker,
    /// Removes a worker, on a new runtime.
    RemoveWorker,
    /// Selects the next mode of the workload at this position.
    SwitchMode(usize),
    /// Selects a mode of a workload.
    SelectMode {
        /// The position of the workload.
        workload: usize,
        /// The position of the mode in [`WorkloadStats::modes`](crate::WorkloadStats::modes).
        mode: usize,
    },
    /// Cancels the task with this key, which takes effect at its next await.
    Cancel(u64),
}

/// The answer to a command. Snapshots contain it for [`Target::KEPT_NS`](crate::Target::KEPT_NS).
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
    /// A sentence for the user.
    Message(Arc<str>),
    /// An await point, as far as it is known yet.
    AwaitPoint(AwaitPoint),
}
