//! What a key or a click means.

use super::Screen;
use crate::snapshot::FieldId;

/// Something that the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show this screen.
    Show(Screen),
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
    /// Sort by the column to the right; on the timeline, the cursor to the right.
    Right,
    /// Sort by the column to the left; on the timeline, the cursor to the left.
    Left,
    /// The cursor of the timeline to the next poll.
    NextPoll,
    /// The cursor of the timeline to the poll before.
    PreviousPoll,
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
    /// One more of the selected workload; on the timeline, closer.
    Raise,
    /// One fewer of the selected workload; on the timeline, further away.
    Lower,
    /// The next way of working of a workload that knows several.
    SwitchMode,
    /// Ask the task in the details where it waits.
    AskWhere,
    /// Let the selected workload rest, or go on.
    Pause,
    /// End all of the selected workload and start it anew.
    Restart,
    /// A runtime with one worker more.
    MoreWorkers,
    /// A runtime with one worker less.
    FewerWorkers,
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

impl Action {
    /// What a target must provide for this action to have an effect on a screen; `None` if it works
    /// with any target.
    pub(super) fn needs(self, screen: Screen) -> Option<FieldId> {
        match self {
            Action::Left | Action::Right if screen == Screen::Lab => Some(FieldId::Lab),
            // These zoom.
            Action::Raise | Action::Lower if screen == Screen::Timeline => Some(FieldId::Timeline),
            Action::ToggleHog
            | Action::NextHogKind
            | Action::HoldLonger
            | Action::HoldShorter
            | Action::SwitchFlavor
            | Action::Raise
            | Action::Lower
            | Action::Pause
            | Action::Restart
            | Action::MoreWorkers
            | Action::FewerWorkers
            | Action::SwitchMode
            | Action::Cancel
            | Action::Show(Screen::Lab) => Some(FieldId::Lab),
            Action::Show(Screen::Timeline) | Action::NextPoll | Action::PreviousPoll => {
                Some(FieldId::Timeline)
            }
            Action::Show(Screen::Workers) => Some(FieldId::Workers),
            Action::Show(Screen::Resources) => Some(FieldId::Resources),
            Action::AskWhere => Some(FieldId::AwaitPoint),
            _ => None,
        }
    }
}
