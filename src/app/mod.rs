//! The state of the dashboard: the screens, the selections and the effect of each key.
//!
//! A pure function of snapshots, keys and time (an argument), without I/O and drawing. It depends on
//! the model, the signals and, for the state of the comparison, the lab. The table of screens is
//! passed to [`App::new`], so this module depends on no screen.

mod action;
mod columns;
mod commands;
mod comparison;
mod cursor;
mod event;
mod filter;
mod freshness;
mod graph_span;
mod hog_kind;
pub mod keymap;
mod line_editor;
mod messages;
mod mouse;
mod movement;
mod opening;
mod overlay;
mod own_cost;
mod pin;
mod refresh;
mod requests;
mod rows;
mod screen;
mod settings;
mod sorting;
mod source_line;
mod state;
#[cfg(test)]
mod tests;
mod timeline;
mod update;

pub use action::Action;
pub use columns::{ChosenColumns, ColumnChoice, parse_columns};
pub use comparison::{Comparison, ComparisonEffect};
pub use cursor::Cursor;
pub use event::Event;
pub use graph_span::{GraphPart, GraphWindow};
pub use line_editor::LineEditor;
pub use mouse::HitTarget;
pub use movement::Viewport;
pub use overlay::{Overlay, Prompt};
pub use own_cost::OwnCost;
pub use rows::{List, RowKey};
pub use screen::{Opened, ScreenId, ScreenKey, ScreenSpec, ScreenState};
pub use settings::{Background, ColorDepth, Settings, ThemeName};
pub use source_line::SourceLine;
pub use state::App;
pub use timeline::TimelineView;
pub use update::Effect;
