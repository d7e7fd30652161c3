//! What a key or a click means.

/// Something that the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show this screen.
    Show(super::Screen),
    /// The next screen, or the one before.
    NextScreen,
    /// The screen before.
    PreviousScreen,
    /// Move the selection down by this many rows, up if negative.
    Move(isize),
    /// Half a page or a page down, up if negative: in half pages.
    Page(isize),
    /// The first row.
    First,
    /// The last row.
    Last,
    /// Sort by the column to the right.
    SortRight,
    /// Sort by the column to the left.
    SortLeft,
    /// Turn the order round.
    Invert,
    /// Type a filter.
    Filter,
    /// Open what is selected.
    Open,
    /// Back to where one came from.
    Back,
    /// Stop the picture, or let it go on.
    Freeze,
    /// The hog on or off.
    ToggleHog,
    /// The next kind of hog.
    NextHogKind,
    /// The hog keeps the worker longer.
    HoldLonger,
    /// The hog keeps the worker less long.
    HoldShorter,
    /// The other flavour of runtime.
    SwitchFlavor,
    /// Cancel the selected task.
    Cancel,
    /// One more of the selected workload.
    Raise,
    /// One fewer of the selected workload.
    Lower,
    /// The next way of working of a workload that knows several.
    SwitchMode,
    /// Ask the task in the details where it waits.
    AskWhere,
    /// Look more often.
    Faster,
    /// Look less often.
    Slower,
    /// The help.
    Help,
    /// Draw everything again.
    Redraw,
    /// Stop the program, as the shell's `fg` expects it.
    Suspend,
    /// End.
    Quit,
}
