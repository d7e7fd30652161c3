//! The actions of keys.

use super::ScreenId;
use crate::snapshot::{FieldId, LabCommand};

/// The action of a key, or of a click on a key in the footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show this screen.
    Show(ScreenId),
    /// Show the next screen.
    NextScreen,
    /// Show the previous screen.
    PreviousScreen,
    /// Move the selection down by this many rows, up if negative.
    Move(isize),
    /// Move the selection down by this many half pages, up if negative.
    Page(isize),
    /// Select the first row.
    First,
    /// Select the last row.
    Last,
    /// Sort by the column to the right.
    Right,
    /// Sort by the column to the left.
    Left,
    /// Reverse the sort order.
    Reverse,
    /// Move the cursor of the timeline by this many columns.
    MoveCursor(i64),
    /// Move the cursor of the timeline to the oldest moment.
    CursorToStart,
    /// Move the cursor of the timeline to the latest moment.
    CursorToEnd,
    /// Select the next row that matches the last filter.
    NextMatch,
    /// Select the previous row that matches the last filter.
    PreviousMatch,
    /// Move the cursor of the timeline to the next poll.
    NextPoll,
    /// Move the cursor of the timeline to the previous poll.
    PreviousPoll,
    /// Select the next worker of the timeline or, below the last one, the next of the longest polls;
    /// the previous one if `false`.
    MoveOnTimeline(bool),
    /// Show a shorter part of the timeline.
    ZoomIn,
    /// Show a longer part of the timeline.
    ZoomOut,
    /// Choose the columns of the table.
    ChooseColumns,
    /// Change the time that graphs show.
    GraphSpan,
    /// Group tasks by the next property.
    Regroup,
    /// Pin the selected task or group, or end the pin.
    Pin,
    /// Edit the filter.
    Filter,
    /// Open the selected row.
    Open,
    /// Open the worst active finding.
    OpenWorstFinding,
    /// Copy the selected row, or the details.
    Copy,
    /// Open the source line of the selected row in an editor.
    EditSource,
    /// Write the screen to files.
    Export,
    /// Go back.
    Back,
    /// Freeze or resume the screen.
    Freeze,
    /// Send a command to the lab.
    Lab(LabCommand),
    /// Select the kind of hog this many places further, or back if negative.
    ChangeHogKind(isize),
    /// One more instance of the selected workload.
    Raise,
    /// One instance fewer of the selected workload.
    Lower,
    /// Pause or resume the selected workload.
    Pause,
    /// Restart the selected workload.
    Restart,
    /// Switch to the next mode of a workload that has several.
    SwitchMode,
    /// Cancel the selected task.
    Cancel,
    /// Request the await point of the task in the details.
    AwaitPoint,
    /// Refresh more often.
    Faster,
    /// Refresh less often.
    Slower,
    /// Show or close the help.
    Help,
    /// Redraw the screen.
    Redraw,
    /// Suspend the program.
    Suspend,
    /// Quit.
    Quit,
}

impl Action {
    /// Whether the action changes the lab.
    pub fn is_of_lab(self) -> bool {
        self.needs() == Some(FieldId::Lab)
    }

    /// The field that a target must provide for the action to have an effect; `None` if it works
    /// with any target.
    pub(super) fn needs(self) -> Option<FieldId> {
        match self {
            Action::Lab(_)
            | Action::ChangeHogKind(_)
            | Action::Raise
            | Action::Lower
            | Action::Pause
            | Action::Restart
            | Action::SwitchMode
            | Action::Cancel => Some(FieldId::Lab),
            Action::MoveCursor(_)
            | Action::MoveOnTimeline(_)
            | Action::CursorToStart
            | Action::CursorToEnd
            | Action::NextPoll
            | Action::PreviousPoll
            | Action::ZoomIn
            | Action::ZoomOut => Some(FieldId::Timeline),
            Action::AwaitPoint => Some(FieldId::AwaitPoint),
            _ => None,
        }
    }
}
