//! The group table.

use ratatui::{layout::Rect, style::Style};

use super::{
    tasks::{head, title},
    widgets::{
        canvas::Canvas,
        table::{Place, Spec, places, with_mark},
    },
};
use crate::{
    app::App,
    model::{Column, GroupColumn, GroupRow},
    text::{UNAVAILABLE, bucket_duration, compact_count, duration, optional, percent_number, rate},
};

const fn figure(column: GroupColumn, width: u16, rank: u8) -> Spec<GroupColumn> {
    Spec { column, width, grow: 0, rank, right: true }
}

const SPECS: [Spec<GroupColumn>; 13] = [
    Spec { column: GroupColumn::Name, width: 12, grow: 20, rank: 1, right: false },
    figure(GroupColumn::Tasks, 6, 2),
    figure(GroupColumn::Runnable, 8, 4),
    figure(GroupColumn::PollRate, 8, 5),
    figure(GroupColumn::Polls, 7, 9),
    figure(GroupColumn::BusyShare, 6, 3),
    figure(GroupColumn::Busy, 7, 10),
    figure(GroupColumn::MaxPoll, 9, 6),
    figure(GroupColumn::PollP99, 9, 7),
    figure(GroupColumn::DelayP99, 9, 8),
    figure(GroupColumn::Wakes, 7, 12),
    Spec { column: GroupColumn::Target, width: 15, grow: 10, rank: 5, right: false },
    Spec { column: GroupColumn::Location, width: 15, grow: 47, rank: 11, right: false },
];

fn specs(app: &App) -> Vec<Spec<GroupColumn>> {
    let (sort, _) = app.group_sort;
    let specs: Vec<_> =
        SPECS.into_iter().filter(|spec| app.has_group_column(spec.column)).collect();
    with_mark(&specs, sort, sort.title())
}

/// The column whose title is at `x`.
pub(super) fn column_at(app: &App, width: u16, x: u16) -> Option<GroupColumn> {
    let places = places(&specs(app), app.group_sort.0, width);
    places.into_iter().find(|p| p.x <= x && x <= p.x + p.width).map(|place| place.column)
}

pub(super) fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let (sort, descending) = app.group_sort;
    let places = places(&specs(app), sort, area.width);
    for place in &places {
        let sorted = (place.column == sort).then_some(descending);
        let title = match place.column {
            GroupColumn::MaxPoll => title(app, canvas.look, Column::MaxPoll),
            _ => place.column.title(),
        };
        head(canvas, area.y, place, title, sorted);
    }
    let visible = rows(area.height);
    if let Some(row) = stages_of(app).filter(|_| has_stages_line(area.height)) {
        let y = area.bottom() - 1;
        canvas.put(area.x, y, area.width, &stages(row), canvas.look.title());
    }
    let rows = app.group_rows().iter().skip(app.groups.top()).take(visible);
    for (row, y) in rows.zip(area.y + 1..) {
        for place in &places {
            match place.column {
                GroupColumn::Target => {
                    let name = app.model().target(row.target).map_or("", |model| model.name());
                    place.put(canvas, y, name, canvas.look.dim(), false);
                }
                _ if app.lacks(row.target, place.column.field()) => {
                    place.put(canvas, y, UNAVAILABLE, canvas.look.dim(), false);
                }
                _ => cell(canvas, y, place, row),
            }
        }
        if app.groups.key() == Some(&row.key()) {
            let style = canvas.look.selected();
            canvas.highlight(Rect::new(area.x, y, area.width, 1), style);
        }
    }
}

/// From some height on the last line shows the stages of a group's tasks.
fn has_stages_line(height: u16) -> bool {
    height >= 8
}

/// How many groups fit below the head.
pub(super) fn rows(height: u16) -> usize {
    usize::from(height).saturating_sub(1 + usize::from(has_stages_line(height)))
}

/// The selected group; while none is selected, the one with the most stages.
fn stages_of(app: &App) -> Option<&GroupRow> {
    let rows = app.group_rows();
    let selected = rows.iter().find(|row| app.groups.key() == Some(&row.key()));
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
    let look = canvas.look;
    let plain = if row.tasks == 0 { look.dim() } else { Style::new() };
    let (text, style) = match place.column {
        GroupColumn::Name => (row.name.to_string(), plain),
        GroupColumn::Tasks => (compact_count(row.tasks as u64), plain),
        GroupColumn::Runnable if row.runnable > 0 => {
            (compact_count(row.runnable as u64), look.warning())
        }
        GroupColumn::Runnable => ("0".to_owned(), plain),
        GroupColumn::PollRate | GroupColumn::BusyShare if row.unknown => {
            ("–".to_owned(), look.dim())
        }
        GroupColumn::PollRate => (rate(row.shown.polls), plain),
        GroupColumn::Polls => (compact_count(row.polls), plain),
        GroupColumn::BusyShare => (percent_number(row.shown.busy), look.share(row.shown.busy)),
        GroupColumn::Busy => (duration(row.busy_ns), plain),
        GroupColumn::MaxPoll => (duration(row.max_poll_ns), plain),
        GroupColumn::PollP99 => (optional(row.poll_p99_ns, bucket_duration), plain),
        GroupColumn::DelayP99 => (optional(row.delay_p99_ns, bucket_duration), plain),
        GroupColumn::Wakes => (compact_count(row.wakes), plain),
        GroupColumn::Location => (row.location.to_string(), look.dim()),
        GroupColumn::Target => return,
    };
    place.put(canvas, y, &text, style, place.column == GroupColumn::Location);
}
