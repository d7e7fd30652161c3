//! The resource table: Tokio's timers, locks, channels and semaphores, and the tasks that wait for them.

pub(super) mod detail;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{layout::Rect, style::Style};

use super::{
    ScreenEntry,
    widgets::{
        canvas::Canvas,
        table::{self, Place, Spec},
        title,
    },
};
use crate::{
    app::{
        Action, App, List, Opened, Overlay, RowKey, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{ResourceRow, TargetModel},
    snapshot::{FieldId, ResourceStats, Target},
    text::{UNAVAILABLE, compact_count, duration},
};

pub(super) const ID: ScreenId = ScreenId("resources");

pub(super) const SCREEN: ScreenEntry = ScreenEntry {
    spec: ScreenSpec {
        id: ID,
        binding: Binding {
            keys: &[(KeyModifiers::NONE, KeyCode::Char('7'))],
            label: "7",
            action: Action::Show(ID),
            short: "Resources",
            help: "resources that tasks wait for, with holder and waiters (attach)",
        },
        list: List::Resources,
        needs: Some(FieldId::Resources),
        keys: &[ScreenKey::new(Action::Open, Action::Open).in_footer("open", 5)],
        subscribe: |_| {},
        open,
    },
    title: |app, theme| {
        let title = (format!(" Resources {}", app.row_count()), theme.title());
        vec![title, title::sorted_by(theme, "waiters", true)]
    },
    viewport: |_, size| Viewport::below_titles(size.height),
    draw,
};

fn open(app: &App) -> Result<Opened, &'static str> {
    match app.cursor().key() {
        Some(RowKey::Resource(key)) => Ok(Opened::Overlay(Overlay::Resource(*key))),
        _ => Err("no resource to open"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Id,
    Type,
    Kind,
    Waiters,
    Longest,
    Holder,
    State,
    Target,
    Location,
}

const SPECS: [Spec<Column>; 9] = [
    Spec::number(Column::Id, 6, 7),
    Spec::text(Column::Type, 12, 8, 1),
    Spec::text(Column::Kind, 6, 4, 8),
    Spec::number(Column::Waiters, 8, 2),
    Spec::number(Column::Longest, 7, 3),
    Spec::text(Column::Holder, 12, 8, 4),
    Spec::text(Column::State, 18, 30, 5),
    Spec::text(Column::Target, 15, 10, 9),
    Spec::text(Column::Location, 15, 47, 6),
];

fn column_title(column: Column) -> &'static str {
    match column {
        Column::Id => "ID",
        Column::Type => "RESOURCE",
        Column::Kind => "KIND",
        Column::Waiters => "WAITERS",
        Column::Longest => "LONGEST",
        Column::Holder => "HELD BY",
        Column::State => "STATE",
        Column::Target => "TARGET",
        Column::Location => "CREATED AT",
    }
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    let several = app.has_several_targets();
    if let (Err(reason), false) = (app.resources(), several) {
        canvas.put(area.x, area.y, area.width, &format!(" –  {reason}"), theme.dim());
        return;
    }
    let specs = SPECS.into_iter().filter(|spec| spec.column != Column::Target || several);
    let places = table::places(&specs.collect::<Vec<_>>(), Column::Type, area.width);
    for place in &places {
        let sorted = (place.column == Column::Waiters).then_some(true);
        place.put_title(canvas, area.y, column_title(place.column), sorted);
    }
    for (row, y) in table::visible_rows(app, area) {
        let resource_row = &app.resource_rows()[row];
        let Some((target, resource)) = app.resource(resource_row.key) else { continue };
        for place in &places {
            cell(target, canvas, y, place, resource, resource_row);
        }
        table::finish_row(app, canvas, area, row, y);
    }
    if app.row_count() == 0 && area.height > 1 {
        let text = match app.filter.is_empty() {
            true => "no resources: the program has no timer, lock, channel or semaphore of Tokio's",
            false => "no resource matches the filter; Esc clears it",
        };
        canvas.put(area.x + 1, area.y + 1, area.width - 1, text, theme.dim());
    }
}

fn cell(
    target: &TargetModel,
    canvas: &mut Canvas<'_>,
    y: u16,
    place: &Place<Column>,
    resource: &ResourceStats,
    row: &ResourceRow,
) {
    let theme = canvas.theme;
    let plain = Style::new();
    let unavailable = || (UNAVAILABLE.to_owned(), theme.dim());
    let (text, style) = match place.column {
        Column::Id => (resource.id.to_string(), plain),
        Column::Type => (resource.type_name.to_string(), plain),
        Column::Kind => (resource.kind.to_string(), theme.dim()),
        Column::Waiters => (compact_count(row.waiters.len() as u64), plain),
        Column::Longest if row.waiters.is_empty() => unavailable(),
        Column::Longest => (duration(row.longest_ns), plain),
        Column::Holder => match (resource.holder, resource.is_taken) {
            (Some(key), _) => (task_name(target.target(), key), plain),
            (None, Some(true)) => ("unknown".to_owned(), plain),
            (None, _) => unavailable(),
        },
        Column::State => (resource.state.to_string(), plain),
        Column::Target => (target.name().to_string(), theme.dim()),
        Column::Location => (resource.location.to_string(), theme.dim()),
    };
    place.put(canvas, y, &text, style, place.column == Column::Location);
}

fn task_name(target: &Target, key: u64) -> String {
    target.task(key).map_or("?".to_owned(), |task| task.meta.name.to_string())
}
