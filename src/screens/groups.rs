//! The group table, and the stages of the tasks of one group.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{
    layout::{Rect, Size},
    style::Style,
};

use super::{
    ScreenEntry, tasks,
    theme::Theme,
    widgets::{
        canvas::{Canvas, Spans},
        table::{self, Place, Spec},
        title,
    },
};
use crate::{
    app::{
        Action, App, HitTarget, List, Opened, RowKey, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{Column, GroupColumn, GroupRow, RowQuery},
    text::{UNAVAILABLE, bucket_duration, compact_count, duration, optional, percent_number, rate},
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
        keys: &[ScreenKey::new(Action::Open, Action::Open).in_footer("tasks", 5)],
        subscribe: |subscription| subscription.groups = true,
        open: |app| match app.cursor().key() {
            Some(RowKey::Group(group)) => Ok(Opened::Group(group.clone())),
            _ => Err("no group to open"),
        },
    },
    title,
    viewport: |_, size| Viewport::below_titles(table_height(size)),
    draw,
};

const SPECS: [Spec<GroupColumn>; 13] = [
    Spec::text(GroupColumn::Name, 12, 20, 1),
    Spec::number(GroupColumn::Tasks, 6, 2),
    Spec::number(GroupColumn::Runnable, 8, 4),
    Spec::number(GroupColumn::PollRate, 8, 5),
    Spec::number(GroupColumn::Polls, 7, 9),
    Spec::number(GroupColumn::BusyShare, 6, 3),
    Spec::number(GroupColumn::Busy, 7, 10),
    Spec::number(GroupColumn::MaxPoll, 9, 6),
    Spec::number(GroupColumn::PollP99, 9, 7),
    Spec::number(GroupColumn::DelayP99, 9, 8),
    Spec::number(GroupColumn::Wakes, 7, 12),
    Spec::text(GroupColumn::Target, 15, 10, 5),
    Spec::text(GroupColumn::Location, 15, 47, 11),
];

/// From this height on, the last line shows the stages of a group's tasks.
const STAGES_FROM: u16 = 8;

/// The height of the table with its titles.
fn table_height(size: Size) -> u16 {
    size.height - u16::from(size.height >= STAGES_FROM)
}

fn order(app: &App) -> Option<(GroupColumn, bool)> {
    match app.row_query() {
        RowQuery::Groups { sort, descending, .. } => Some((*sort, *descending)),
        _ => None,
    }
}

fn title(app: &App, theme: Theme) -> Spans {
    let mut spans = vec![(format!(" Groups {}", app.row_count()), theme.title())];
    let sorted =
        |(sort, descending): (GroupColumn, bool)| title::sorted_by(theme, sort.title(), descending);
    spans.extend(order(app).map(sorted));
    spans
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let Some((sort, descending)) = order(app) else { return };
    let specs = SPECS.into_iter().filter(|spec| app.has_group_column(spec.column));
    let specs = table::with_mark(&specs.collect::<Vec<_>>(), sort, sort.title());
    let places = table::places(&specs, sort, area.width);
    for place in &places {
        let sorted = (place.column == sort).then_some(descending);
        let title = match place.column {
            GroupColumn::MaxPoll => tasks::column_title(app, canvas.theme, Column::MaxPoll),
            column => column.title(),
        };
        place.put_title(canvas, area.y, title, sorted);
        canvas.on_click(place.title_area(area.y), HitTarget::GroupColumn(place.column));
    }
    let table = Rect { height: table_height(area.as_size()), ..area };
    if let Some(row) = group_with_stages(app).filter(|_| table.height < area.height) {
        canvas.put(area.x, table.bottom(), area.width, &stages(row), canvas.theme.title());
    }
    for (row, y) in table::visible_rows(app, table) {
        let group = &app.group_rows()[row];
        for place in &places {
            match place.column {
                GroupColumn::Target => {
                    let name = app.model().target(group.target).map_or("", |model| model.name());
                    place.put(canvas, y, name, canvas.theme.dim(), false);
                }
                _ if app.lacks(group.target, place.column.field()) => {
                    place.put(canvas, y, UNAVAILABLE, canvas.theme.dim(), false);
                }
                _ => cell(canvas, y, place, group),
            }
        }
        table::finish_row(app, canvas, area, row, y);
    }
}

/// The selected group; without a selection, the one with the most stages.
fn group_with_stages(app: &App) -> Option<&GroupRow> {
    let rows = app.group_rows();
    let selected = (0..rows.len()).find(|row| app.cursor().is_at(*row)).map(|row| &rows[row]);
    selected.or_else(|| rows.iter().rev().max_by_key(|row| row.stages.len()))
}

/// Such as "conn: 12 × reads the request · 3 × queries the database".
fn stages(row: &GroupRow) -> String {
    let stages = row.stages.iter();
    let stages: Vec<String> = stages
        .map(|(stage, tasks)| format!("{} × {stage}", compact_count(*tasks as u64)))
        .collect();
    let stages = stages.join(" · ");
    let stages = if stages.is_empty() { "no task has a stage".to_owned() } else { stages };
    format!(" {}: {stages}", row.name)
}

fn cell(canvas: &mut Canvas<'_>, y: u16, place: &Place<GroupColumn>, row: &GroupRow) {
    let theme = canvas.theme;
    let plain = if row.tasks == 0 { theme.dim() } else { Style::new() };
    let (text, style) = match place.column {
        GroupColumn::Name => (row.name.to_string(), plain),
        GroupColumn::Tasks => (compact_count(row.tasks as u64), plain),
        GroupColumn::Runnable if row.runnable > 0 => {
            (compact_count(row.runnable as u64), theme.warning())
        }
        GroupColumn::Runnable => ("0".to_owned(), plain),
        GroupColumn::PollRate | GroupColumn::BusyShare if row.unknown => {
            (UNAVAILABLE.to_owned(), theme.dim())
        }
        GroupColumn::PollRate => (rate(row.shown.polls), plain),
        GroupColumn::Polls => (compact_count(row.polls), plain),
        GroupColumn::BusyShare => (percent_number(row.shown.busy), theme.share(row.shown.busy)),
        GroupColumn::Busy => (duration(row.busy_ns), plain),
        GroupColumn::MaxPoll => (duration(row.max_poll_ns), plain),
        GroupColumn::PollP99 => (optional(row.poll_p99_ns, bucket_duration), plain),
        GroupColumn::DelayP99 => (optional(row.delay_p99_ns, bucket_duration), plain),
        GroupColumn::Wakes => (compact_count(row.wakes), plain),
        GroupColumn::Location => (row.location.to_string(), theme.dim()),
        GroupColumn::Target => return,
    };
    place.put(canvas, y, &text, style, place.column == GroupColumn::Location);
}
