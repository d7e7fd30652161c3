//! Commands to a running lab.

/// A wish of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Turns the hog on, or off at once. Cancels a pending restart.
    ToggleHog,
    /// Turns the hog on if it is off.
    ReleaseHog,
    /// The next kind of hog.
    NextHogKind,
    /// The kind of hog before.
    PreviousHogKind,
    /// The hog keeps the worker longer before it gives way, or does more work at a time;
    /// the last step is for ever.
    HoldLonger,
    /// The hog keeps the worker less long, or does less at a time.
    HoldShorter,
    /// Switches to the other flavor of runtime: all tasks end, and the workloads start again. A hog
    /// that is on waits for [`ReleaseHog`](Self::ReleaseHog), so that there is a baseline first.
    SwitchFlavor,
    /// One more of the workload at this position.
    Raise(usize),
    /// One fewer of it.
    Lower(usize),
    /// End the tasks of the workload at this position for now, or start as many again.
    Pause(usize),
    /// End all of the workload at this position, and start as many anew.
    Restart(usize),
    /// Adds a worker, on a new runtime, as with [`SwitchFlavor`](Self::SwitchFlavor).
    MoreWorkers,
    /// One worker less, on a new runtime.
    FewerWorkers,
    /// The next way of working of the workload at this position.
    SwitchMode(usize),
    /// Cancel the task with this key, which takes effect at its next await.
    Cancel(u64),
}
