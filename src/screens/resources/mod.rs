//! The resource table: Tokio's timers, locks, channels and semaphores, and the tasks that wait for them.

pub(super) mod detail;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{layout::Rect, style::Style};

use super::{
    ScreenEntry,
    widgets::{
        canvas::Canvas,
        table::{self, Fields},
        title,
    },
};
use crate::{
    app::{
        Action, App, List, Opened, Overlay, RowKey, ScreenId, ScreenKey, ScreenSpec, Viewport,
        keymap::Binding,
    },
    model::{Field, ResourceRow},
    snapshot::{FieldId, Target},
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
        let mut spans = vec![(format!(" Resources {}", app.row_count()), theme.title())];
        spans.extend(title::order::<ResourceRow>(app, theme));
        spans
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

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    let several = app.has_several_targets();
    if let (Err(reason), false) = (app.resources(), several) {
        canvas.put(area.x, area.y, area.width, &format!(" –  {reason}"), theme.dim());
        return;
    }
    let title = |field: &Field<ResourceRow>| field.title.to_owned();
    let table = Fields::<ResourceRow>::draw_titles(app, canvas, area, |_| false, title);
    for (row, y) in table::visible_rows(app, area) {
        let resource = &app.resource_rows()[row];
        let Some(target) = app.model().target(resource.key.target) else { continue };
        let no_graph = |_: &Field<ResourceRow>, _| Vec::new();
        table.draw_row(app, canvas, y, (target, resource), Style::new(), no_graph);
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

fn task_name(target: &Target, key: u64) -> String {
    target.task(key).map_or("?".to_owned(), |task| task.meta.name.to_string())
}
