//! The screen without a finding: the largest impact, if there is one, and the rules.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::wrapped;
use crate::{
    app::App,
    model::{RULES, Rule, TargetModel},
    screens::{
        theme::Theme,
        widgets::canvas::{Canvas, Spans},
    },
    text::wrap,
};

/// The height of all lines.
pub(super) fn height(app: &App, width: u16) -> u16 {
    lines(app, Theme::new(app.settings), width, u16::MAX).len() as u16
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let lines = lines(app, canvas.theme, area.width, area.height);
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        canvas.line(area.x, y, area.right(), line);
    }
}

/// All lines; if that is more than `height`, the meaning of each rule is cut to one line.
fn lines(app: &App, theme: Theme, width: u16, height: u16) -> Vec<Spans> {
    let largest = app.model().offenders().first().map(|largest| largest.offender.describe());
    let (text, style) = match (app.target(), app.pin(), &largest) {
        (None, ..) => ("waiting for the first sample".to_owned(), theme.good()),
        (_, Some(pin), _) => {
            let name = pin.name();
            (format!("No finding is about {name}; Esc shows all. The rules:"), theme.title())
        }
        (Some(target), ..) if target.losses.nothing_reported.is_some() => {
            ("No task is reported, so no rule can fire. The rules:".to_owned(), theme.warning())
        }
        (Some(target), _, None) if target.losses.is_incomplete() => {
            let text =
                "No rule has fired so far; data is missing, so a problem may be too. The rules:";
            (text.to_owned(), theme.warning())
        }
        (Some(target), _, None) if target.connection.is_remote() => {
            let text = "No rule has fired since asynctop connected. The rules:";
            (text.to_owned(), theme.good())
        }
        (_, _, None) => ("No rule has fired. The rules:".to_owned(), theme.good()),
        (_, _, Some(largest)) => {
            let text = format!("No rule has fired. Largest impact: {largest}. The rules:");
            (text, theme.warning())
        }
    };
    let mut lines = wrapped(&text, width, style);
    let unavailable = |rule: &Rule| {
        let cannot_fire =
            |model: &TargetModel| rule.unavailable(&model.target().description).is_some();
        app.model().targets().iter().all(cannot_fire)
    };
    let rules = RULES.iter().filter(|rule| !unavailable(rule));
    let rules = rules.filter_map(|rule| Some((rule, app.model().thresholds().get(rule.id)?)));
    let rules: Vec<_> = rules.map(|(rule, at)| (rule, rule.unit.write(at))).collect();
    let name_width = rules.iter().map(|(rule, _)| rule.name.len()).max().unwrap_or(0);
    let threshold_width = rules.iter().map(|(_, at)| at.width()).max().unwrap_or(0);
    let indent = 2 + name_width + 2 + threshold_width + 2;
    let available = usize::from(width).saturating_sub(indent + 1).max(20);
    let wrapped = rules.into_iter().map(|(rule, at)| (rule, at, wrap(rule.meaning, available)));
    let wrapped: Vec<_> = wrapped.collect();
    let wanted = lines.len() + wrapped.iter().map(|(.., meaning)| meaning.len()).sum::<usize>();
    let fits = wanted <= usize::from(height);
    for (rule, threshold, meaning) in wrapped {
        let (mut name, mut threshold) = (rule.name, threshold);
        let meaning = if fits { meaning } else { vec![rule.meaning.to_owned()] };
        for line in meaning {
            let name = format!("  {:<name_width$}", std::mem::take(&mut name));
            let threshold = format!("  {:>threshold_width$}  ", std::mem::take(&mut threshold));
            lines.push(vec![(name, theme.title()), (threshold, theme.dim()), (line, Style::new())]);
        }
    }
    lines
}
