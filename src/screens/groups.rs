//! The group table, and the tasks of the selected group: where they are, and their long polls.
//!
//! ```text
//!  GROUP   TASKS  RUN SCHED IDLE  BUSY%▼ BUSY, 1 min   POLL P99 DELAY P99 SCHED DELAY ░<1ms ▒ ▓ █>.1s
//!  conn       24    1     9   14      68 ▁▁▂▂▂▇███████▇  ~10ms‼     ~29ms ░░░░░░▒▒▓▓▓▓▓▓▓▒▒▓▓▓▓▓▓▓▓▒▓▓▓
//! ──── conn: stages of its 24 tasks ────────────────────┬──── conn: long polls, last minute ──────────────
//!  reads the request   ██████████████░░░░░░░░░░  14     │ 11 task-s  122 polls  db::scan  workload/db.rs:73
//! ```

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{
    layout::{Rect, Size},
    style::Style,
};
use unicode_width::UnicodeWidthStr;

use super::{
    ScreenEntry,
    theme::Theme,
    widgets::{
        bars::{bar, history},
        canvas::{Canvas, Spans},
        chart, histogram,
        history_graph::{DELAY_LABELS, SHARE_LABELS, delay_height},
        preview,
        table::{self, Fields},
        title,
    },
};
use crate::{
    app::{
        Action, App, GraphWindow, List, Opened, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{BusyPoint, Field, GroupRow, Grouping, Offender, TargetModel},
    snapshot::{DistributionKey, Distributions, FieldId},
    text::{compact_count, file_and_folder, fit, plural},
};

pub(super) const ID: ScreenId = ScreenId("groups");

pub(super) const SCREEN: ScreenEntry = ScreenEntry {
    spec: ScreenSpec {
        id: ID,
        binding: Binding {
            keys: &[(KeyModifiers::NONE, KeyCode::Char('2'))],
            label: "2",
            action: Action::Show(ID),
            short: "Groups",
            help: "tasks grouped by name; Enter lists a group's tasks",
        },
        list: List::Groups,
        needs: None,
        keys: &[
            ScreenKey::new(Action::Open, Action::Open).in_footer("tasks", 5),
            ScreenKey::new(Action::Regroup, Action::Regroup).in_footer("group by", 6),
        ],
        subscribe: |subscription| subscription.groups = true,
        open: |app| app.selected_scope().map(Opened::Pin).map_err(|_| "no group to open"),
    },
    title,
    viewport: |app, size| Viewport::below_titles(size.height - preview_height(app, size)),
    draw,
};

/// The lines about the selected group below the table. Rows of the table take precedence over blank
/// lines.
fn preview_height(app: &App, size: Size) -> u16 {
    let rows = u16::try_from(app.row_count()).unwrap_or(u16::MAX);
    match size.height {
        ..8 => 0,
        8..14 => 1,
        height => {
            let histogram = if has_histogram(app, height / 2) { histogram::HEIGHT } else { 0 };
            // A group without stages has its three states.
            let stages = app.group_rows().iter().map(|group| group.stages.len().clamp(3, 8)).max();
            let wanted = 1 + stages.unwrap_or(3) as u16 + histogram;
            let free = height.saturating_sub(rows.saturating_add(1));
            (height / 2).min(wanted).min(free.max(histogram + 3))
        }
    }
}

/// Whether there are histograms of groups, and they fit below the table.
fn has_histogram(app: &App, height: u16) -> bool {
    let fields = [FieldId::GroupPollP99, FieldId::GroupDelayP99];
    let has_fields =
        |model: &&TargetModel| fields.iter().all(|field| model.target().description.has(*field));
    height >= MIN_HISTOGRAM
        && grouping(app) == Grouping::Name
        && app.selected().as_ref().is_some_and(has_fields)
}

/// The minimum lines about the selected group that contain a histogram.
const MIN_HISTOGRAM: u16 = histogram::HEIGHT + 3;

fn grouping(app: &App) -> Grouping {
    app.row_query().query().map(|query| query.grouping).unwrap_or_default()
}

/// Whether a column has no values or repeats the names: there are distributions of groups by name only.
pub(super) fn is_hidden(app: &App, field: &Field<GroupRow>) -> bool {
    let is_distribution = matches!(field.id, Some(FieldId::GroupPollP99 | FieldId::GroupDelayP99));
    match grouping(app) {
        Grouping::Name => false,
        Grouping::Location => is_distribution || field.name == "location",
        Grouping::Kind | Grouping::Target => is_distribution,
    }
}

fn title(app: &App, theme: Theme) -> Spans {
    let mut spans = vec![(format!(" Groups {}", app.row_count()), theme.title())];
    if grouping(app) != Grouping::Name {
        spans.push((format!(" by {}", grouping(app).as_str()), theme.title()));
    }
    spans.extend(title::pin(app, theme));
    spans.extend(title::order::<GroupRow>(app, theme));
    spans
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    let [area, below] = preview::split(area, preview_height(app, area.as_size()));
    let rows = u16::try_from(app.row_count()).unwrap_or(u16::MAX);
    let free = area.height.saturating_sub(rows.saturating_add(2));
    let graphs = if free >= MIN_GRAPHS { free.min(MAX_GRAPHS) } else { 0 };
    let [area, graphs] = preview::split(area, graphs);
    let span = app.selected().map(|model| app.graph_span_text(model)).unwrap_or_default();
    let title = |field: &Field<GroupRow>| match field.name {
        "busy_history" => format!("{}, {span}", field.title),
        "delay_history" => {
            let legend = theme.glyph("░<1ms ▒ ▓ █≥.1s", ".<1ms - = #>=.1s");
            format!("DELAY, {span} {legend}")
        }
        _ => table::title_of(app, theme, field),
    };
    let is_hidden = |field: &Field<GroupRow>| is_hidden(app, field);
    let table = Fields::<GroupRow>::draw_titles(app, canvas, area, is_hidden, title);
    for (row, y) in table::visible_rows(app, area) {
        let group = &app.group_rows()[row];
        let Some(target) = app.model().target(group.target) else { continue };
        let plain = if group.tasks == 0 { theme.dim() } else { Style::new() };
        table.draw_row(app, canvas, y, (target, group), plain, |field, width| {
            let GraphWindow { end_ns, span_ns } = app.graph_window(target);
            let ring = target.group_history(grouping(app), &group.name);
            let points = ring.map(|ring| ring.columns(end_ns, span_ns, width)).unwrap_or_default();
            match field.name {
                "busy_history" => busy_history(theme, &points),
                _ => delays(app, theme, &points),
            }
        });
        table::finish_row(app, canvas, area, row, y);
    }
    if app.row_count() == 0 && !app.filter.is_empty() {
        table::put_empty(canvas, area, &app.no_match("group"));
    }
    if let Some(group) = app.selected_row().and_then(|row| app.group_rows().get(row)) {
        draw_graphs(app, canvas, graphs, group);
        draw_group(app, canvas, below, group);
    }
}

/// The lines of the graphs of the selected group with their titles, where the rows leave them.
const MIN_GRAPHS: u16 = 6;
const MAX_GRAPHS: u16 = 14;

/// The busy share and the scheduling delay of a group over time.
fn draw_graphs(app: &App, canvas: &mut Canvas<'_>, area: Rect, group: &GroupRow) {
    let Some(target) = app.model().target(group.target).filter(|_| area.height > 1) else { return };
    let window = app.graph_window(target);
    let ring = target.group_history(grouping(app), &group.name);
    let values = |of: fn(BusyPoint) -> Option<f64>, columns: usize| -> Vec<Option<f64>> {
        let points = ring.map(|ring| ring.columns(window.end_ns, window.span_ns, columns));
        points.unwrap_or_default().into_iter().map(|point| of(point?)).collect()
    };
    let (name, span) = (file_and_folder(&group.name), app.graph_span_text(target));
    let mut draw = |area: Rect, title: &str, axis, of| {
        preview::draw_titled(canvas, area, &format!("{name}: {title}, {span}"), &[]);
        let area = Rect { y: area.y + 1, height: area.height - 1, ..area };
        chart::draw(app, canvas, area, axis, |columns| values(of, columns));
    };
    let (left, right) = preview::columns(area);
    draw(left, "busy", SHARE_LABELS, |point| Some(point.busy));
    if let Some(right) = right.filter(|_| target.target().description.has(FieldId::Scheduled)) {
        draw(right, "scheduling delay", DELAY_LABELS, |point| point.delay_ns.map(delay_height));
    }
}

/// The busy share over time. A share above one worker fills the line.
fn busy_history(theme: Theme, points: &[Option<BusyPoint>]) -> Spans {
    let shares: Vec<_> = points.iter().map(|point| point.map(|point| point.busy)).collect();
    vec![(history(theme, &shares), theme.busy())]
}

/// The scheduling delay over time, as shades of powers of ten.
fn delays(app: &App, theme: Theme, points: &[Option<BusyPoint>]) -> Spans {
    let shade = |delay_ns: u64| match delay_ns / 1_000_000 {
        0 => theme.glyph("░", "."),
        1..10 => theme.glyph("▒", "-"),
        10..100 => theme.glyph("▓", "="),
        _ => theme.glyph("█", "#"),
    };
    let cell = |point: &Option<BusyPoint>| match point.and_then(|point| point.delay_ns) {
        Some(delay_ns) => {
            let style = theme.length(app.model().thresholds(), delay_ns, theme.dim());
            (shade(delay_ns).to_owned(), style)
        }
        None => (" ".to_owned(), Style::new()),
    };
    points.iter().map(cell).collect()
}

/// Where the tasks of a group are, and their long polls.
fn draw_group(app: &App, canvas: &mut Canvas<'_>, area: Rect, group: &GroupRow) {
    let Some(target) = app.model().target(group.target) else { return };
    let theme = canvas.theme;
    if area.height < 2 {
        return preview::draw(canvas, area, &[vec![(stages_in_a_line(group), theme.title())]]);
    }
    let name = file_and_folder(&group.name);
    let title = format!("{name}: stages of its {}", plural(group.tasks as u64, "task"));
    let polls = format!("{name}: long polls, last minute");
    let (left, right) = preview::columns(area);
    let below = if has_histogram(app, area.height) { histogram::HEIGHT } else { 0 };
    let [left, left_below] = preview::split(left, below);
    let mut lines = stages(theme, group, left.width);
    let visible = usize::from(left.height.saturating_sub(1));
    if lines.len() > visible && visible > 0 {
        let more = lines.len() - (visible - 1);
        lines.truncate(visible - 1);
        lines.push(vec![(format!(" {} {more} more", theme.glyph("…", "...")), theme.dim())]);
    }
    preview::draw_titled(canvas, left, &title, &lines);
    if let Some(distributions) = distributions(app, target, group) {
        let draw = |canvas: &mut Canvas<'_>, area: Rect, name, histogram| {
            let lines = histogram::lines(theme, name, histogram, usize::from(area.width));
            preview::draw(canvas, area, &lines);
        };
        draw(canvas, left_below, "poll times", &distributions.poll_times);
        if let Some(right) = right {
            let [_, below] = preview::split(right, below);
            draw(canvas, below, "delays", &distributions.delays);
        }
    }
    if let Some(right) = right {
        let [right, _] = preview::split(right, below);
        preview::draw_titled(canvas, right, &polls, &long_polls(app, theme, target, group));
    }
}

/// The distributions of a group, if the latest snapshot has them.
fn distributions<'a>(
    app: &App,
    target: &'a TargetModel,
    group: &GroupRow,
) -> Option<&'a Distributions> {
    let target = target.target();
    let is_group = |key: &DistributionKey| match key {
        DistributionKey::Group(name) => *name == group.name,
        DistributionKey::Task(_) => false,
    };
    let mut all = target.distributions.iter();
    let found = all.find(|(key, _)| is_group(key)).filter(|_| grouping(app) == Grouping::Name);
    let (_, distributions) = found?;
    let has = |field| target.description.has(field);
    (has(FieldId::GroupPollP99) && has(FieldId::GroupDelayP99)).then_some(distributions)
}

/// Such as "conn: 12 × reads the request · 3 × queries the database".
fn stages_in_a_line(row: &GroupRow) -> String {
    let stages = row.stages.iter();
    let stages: Vec<String> = stages
        .map(|(stage, tasks)| format!("{} × {stage}", compact_count(*tasks as u64)))
        .collect();
    let stages = stages.join(" · ");
    let stages = if stages.is_empty() { "no task has a stage".to_owned() } else { stages };
    format!(" {}: {stages}", row.name)
}

/// A bar for each stage, or else for each state.
fn stages(theme: Theme, group: &GroupRow, width: u16) -> Vec<Spans> {
    let states =
        [("polling", group.polling), ("scheduled", group.runnable), ("idle", group.idle())];
    let mut parts: Vec<(&str, usize, Style)> =
        group.stages.iter().map(|(stage, tasks)| (&**stage, *tasks, theme.busy())).collect();
    let with_stage: usize = parts.iter().map(|(_, tasks, _)| tasks).sum();
    if !parts.is_empty() && with_stage < group.tasks {
        parts.push(("no stage", group.tasks - with_stage, theme.busy()));
    }
    if parts.is_empty() {
        parts.extend(states.map(|(state, tasks)| (state, tasks, theme.busy())));
    }
    let longest = parts.iter().map(|(name, ..)| name.width()).max().unwrap_or(0);
    let words = longest.min(usize::from(width) / 2);
    let available = usize::from(width).saturating_sub(words + 9).min(30);
    let line = |(name, tasks, style): &(&str, usize, Style)| {
        let share = *tasks as f64 / group.tasks.max(1) as f64;
        let name = fit(name, words, theme.ascii);
        let pad = words - name.width();
        vec![
            (format!(" {name}{} ", " ".repeat(pad)), Style::new()),
            (bar(theme, share, available), *style),
            (format!(" {:>5}", compact_count(*tasks as u64)), Style::new()),
        ]
    };
    parts.iter().map(line).collect()
}

/// The long polls of the tasks of a group by function.
fn long_polls(app: &App, theme: Theme, target: &TargetModel, group: &GroupRow) -> Vec<Spans> {
    let is_member = |meta: &_| grouping(app).group_of(target.name(), meta) == &*group.name;
    let offenders = target.impact_table().offenders_among(is_member);
    let line = |offender: &Offender| {
        let impact = offender.impact.map_or_else(String::new, |impact| {
            format!("{} task-s", theme.task_seconds(impact.accuracy, impact.total_ns))
        });
        let function = offender.function.as_deref().unwrap_or("(no stack)");
        let place = offender.blocked_at.as_deref().map_or("", file_and_folder);
        vec![
            (format!(" {impact:>11}"), theme.warning()),
            (format!("  {:>9}", plural(offender.polls, "poll")), Style::new()),
            (format!("  {function}"), theme.title()),
            (format!("  {place}"), theme.dim()),
        ]
    };
    let lines: Vec<_> = offenders.iter().map(line).collect();
    match lines.is_empty() {
        true => vec![vec![(" none".to_owned(), theme.dim())]],
        false => lines,
    }
}
