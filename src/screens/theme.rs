//! Colours and signs. The terminal's own foreground and background, the sixteen named
//! colours, and never a meaning by colour alone.

use ratatui::style::{Color, Modifier, Style};

use crate::{
    app::{Settings, Theme},
    model::{Severity, Thresholds},
    snapshot::State,
};

/// How things look, as chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    color: bool,
    pub ascii: bool,
}

impl Look {
    pub(super) fn new(settings: Settings) -> Self {
        Look { color: settings.theme != Theme::Mono, ascii: settings.ascii }
    }

    fn color(self, color: Color, otherwise: Modifier) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new().add_modifier(otherwise) }
    }

    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn key(self) -> Style {
        self.color(Color::Cyan, Modifier::empty()).add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.color(Color::Green, Modifier::empty())
    }

    pub(super) fn warning(self) -> Style {
        self.color(Color::Yellow, Modifier::BOLD)
    }

    pub(super) fn critical(self) -> Style {
        self.color(Color::Red, Modifier::empty()).add_modifier(Modifier::BOLD)
    }

    pub(super) fn busy(self) -> Style {
        self.color(Color::Blue, Modifier::empty())
    }

    /// The colour of a group of tasks, by its place among the groups: not red, which
    /// means that something is wrong.
    pub(super) fn group(self, place: u16) -> Style {
        const COLORS: [Color; 10] = [
            Color::Blue,
            Color::Yellow,
            Color::Green,
            Color::Magenta,
            Color::Cyan,
            Color::LightBlue,
            Color::LightMagenta,
            Color::LightGreen,
            Color::LightCyan,
            Color::LightYellow,
        ];
        self.color(COLORS[usize::from(place) % COLORS.len()], Modifier::empty())
    }

    pub(super) fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Info => Style::new(),
            Severity::Warning => self.warning(),
            Severity::Critical => self.critical(),
        }
    }

    /// The style of a poll or a delay of this length, or else `plain`.
    pub(super) fn length(self, thresholds: &Thresholds, length_ns: u64, plain: Style) -> Style {
        let severity = thresholds.severity_of(length_ns);
        severity.map_or(plain, |severity| self.severity(severity))
    }

    /// One sign for each severity.
    pub(super) fn alarm(self, severity: Severity) -> &'static str {
        match severity {
            Severity::Critical => self.glyph("‼", "!!"),
            Severity::Warning => self.glyph("▲", "!"),
            Severity::Info => self.glyph("·", "-"),
        }
    }

    /// How a share of a worker's or a task's time looks: nothing up to 80 %.
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

    /// One sign for each state.
    pub(super) fn sign(self, state: State) -> &'static str {
        let (sign, letter) = match state {
            State::Polling => ("▶", "P"),
            State::Created => ("○", "o"),
            State::Scheduled => ("▲", "S"),
            State::Idle => ("·", "."),
            State::Dropping => ("▼", "D"),
            State::Completed => ("✓", "C"),
            State::Cancelled => ("✗", "X"),
            State::Panicked => ("‼", "!"),
            State::Ended => ("×", "E"),
        };
        self.glyph(sign, letter)
    }

    /// The sign, or what stands for it where there is only ASCII.
    pub(super) fn glyph(self, sign: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { sign }
    }
}
