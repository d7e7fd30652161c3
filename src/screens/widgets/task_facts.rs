//! The state and the location of a task, in the same words on all screens.

use crate::{
    screens::theme::Theme,
    snapshot::{Accuracy, Description, FieldId, Target, TaskStats},
    text::duration,
};

/// ` for 3.38s`, or how long ago the task ended. Empty if that is unknown.
pub fn time_in_state(theme: Theme, target: &Target, task: &TaskStats) -> String {
    let description = &target.description;
    let is_least = description.accuracy(FieldId::StateTime).is_lower_bound();
    let least = if is_least { theme.glyph("≥ ", ">= ") } else { "" };
    match description.get(FieldId::StateTime, task.time_in_state_ns(target.taken_ns)) {
        Err(_) => String::new(),
        // Nothing is known.
        Ok(0) if is_least => String::new(),
        Ok(since) if task.state.is_done() => format!(" {} ago", duration(since)),
        Ok(since) => format!(" for {least}{}", duration(since)),
    }
}

/// The kind of location that tasks have: of their spawn or, where that is not known, of their future.
pub fn location_label(description: &Description) -> &'static str {
    match description.accuracy(FieldId::Location) {
        Accuracy::Exact => "spawned at",
        _ => "future at",
    }
}
