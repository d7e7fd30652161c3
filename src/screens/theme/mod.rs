//! Colors and glyphs. Uses the terminal's own foreground and background. A color is never the only
//! sign of a meaning.

mod palette;

use ratatui::style::{Color, Modifier, Style};

use crate::{
    app::{ColorDepth, Settings},
    model::{Severity, Thresholds},
    snapshot::{ImpactAccuracy, State},
    text::task_seconds,
};
use palette::{Hue, Palette};

/// The styles and glyphs of the chosen settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    /// `None` without colors.
    palette: Option<&'static Palette>,
    colors: ColorDepth,
    pub ascii: bool,
}

impl Theme {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { colors, ascii, .. } = settings;
        Theme { palette: palette::of(settings), colors, ascii }
    }

    /// The style of a color; without colors, of a modifier.
    fn color(self, hue: fn(&Palette) -> Hue, without: Modifier) -> Style {
        match self.palette {
            Some(palette) => Style::new().fg(palette.color(hue(palette), self.colors)),
            None => Style::new().add_modifier(without),
        }
    }

    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn selected(self) -> Style {
        // A reversed color would be a block, and reversed dim text cannot be read.
        let plain = Style::new().fg(Color::Reset).bg(Color::Reset).remove_modifier(Modifier::DIM);
        plain.add_modifier(Modifier::REVERSED)
    }

    pub(super) fn key(self) -> Style {
        self.color(|palette| palette.key, Modifier::empty()).add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.color(|palette| palette.good, Modifier::empty())
    }

    /// The name of a row that has just appeared.
    pub(super) fn new_row(self) -> Style {
        self.color(|palette| palette.good, Modifier::UNDERLINED)
    }

    pub(super) fn warning(self) -> Style {
        self.color(|palette| palette.warning, Modifier::BOLD)
    }

    pub(super) fn critical(self) -> Style {
        self.color(|palette| palette.critical, Modifier::empty()).add_modifier(Modifier::BOLD)
    }

    pub(super) fn busy(self) -> Style {
        self.color(|palette| palette.busy, Modifier::empty())
    }

    /// The color of a group of tasks, by its position among the groups. Red is reserved for critical
    /// states.
    pub(super) fn group(self, position: u16) -> Style {
        let Some(palette) = self.palette else { return Style::new() };
        let hue = palette.groups[usize::from(position) % palette.groups.len()];
        Style::new().fg(palette.color(hue, self.colors))
    }

    pub(super) fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Info => Style::new(),
            Severity::Warning => self.warning(),
            Severity::Critical => self.critical(),
        }
    }

    /// The style of a poll or a delay by the severity of its length; `plain` if it is short.
    pub(super) fn length(self, thresholds: &Thresholds, length_ns: u64, plain: Style) -> Style {
        let severity = thresholds.severity_of(length_ns);
        severity.map_or(plain, |severity| self.severity(severity))
    }

    /// The glyph of a severity.
    pub(super) fn severity_glyph(self, severity: Severity) -> &'static str {
        match severity {
            Severity::Critical => self.glyph("‼", "!!"),
            Severity::Warning => "!",
            Severity::Info => self.glyph("i", "-"),
        }
    }

    /// The style of a busy share: plain below 80 %.
    pub(super) fn share(self, share: f64) -> Style {
        match share {
            s if s >= 0.95 => self.critical(),
            s if s >= 0.8 => self.warning(),
            _ => Style::new(),
        }
    }

    pub(super) fn state(self, state: State) -> Style {
        match state {
            State::Dropping => self.warning(),
            State::Polling => self.good().add_modifier(Modifier::BOLD),
            State::Scheduled => self.warning(),
            State::Created | State::Idle => Style::new(),
            State::Completed | State::Cancelled | State::Ended => self.dim(),
            State::Panicked => self.critical(),
        }
    }

    /// The glyph of a state. Each state has a glyph of its own.
    pub(super) fn state_glyph(self, state: State) -> &'static str {
        let (glyph, ascii) = match state {
            State::Polling => ("▶", "P"),
            State::Created => ("○", "o"),
            State::Scheduled => ("◆", "S"),
            State::Idle => ("·", "."),
            State::Dropping => ("◇", "D"),
            State::Completed => ("✓", "C"),
            State::Cancelled => ("✗", "X"),
            State::Panicked => ("†", "F"),
            State::Ended => ("×", "E"),
        };
        self.glyph(glyph, ascii)
    }

    /// The glyph, or its replacement if only ASCII characters may be used.
    pub(super) fn glyph(self, glyph: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { glyph }
    }

    /// An impact in task-seconds, with a sign if it is a bound.
    pub(super) fn task_seconds(self, accuracy: ImpactAccuracy, total_ns: u64) -> String {
        let sign = match accuracy {
            ImpactAccuracy::Exact => "",
            ImpactAccuracy::UpperBound => self.glyph("≤ ", "<= "),
            ImpactAccuracy::LowerBound => self.glyph("≥ ", ">= "),
        };
        format!("{sign}{}", task_seconds(total_ns))
    }
}
