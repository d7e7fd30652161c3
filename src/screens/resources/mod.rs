//! Tokio's timers, locks, channels and semaphores: the tasks that wait for each, and the task that
//! holds it. Below or beside the list, the operations on the selected one.
//!
//! ```text
//!  RESOURCE  WAITERS▼ LONGEST ACQUIRED BY STATE      CREATED AT
//!  Mutex            5   4.00s conn-2   locked=true   src/main.rs:7
//!        waiting: conn-3, conn-7, conn-8 and 2 more
//!  Sleep            0       – –        duration=1s   src/main.rs:9
//! ```

pub(super) mod detail;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::{
    layout::{Rect, Size},
    style::Style,
};
use unicode_width::UnicodeWidthStr;

use super::{
    ScreenEntry,
    widgets::{
        blocks::Blocks,
        canvas::Canvas,
        preview,
        table::{self, Fields},
        title,
    },
};
use crate::{
    app::{
        Action, App, HitTarget, List, Opened, Overlay, RowKey, ScreenId, ScreenKey, ScreenSpec,
        Viewport, keymap::Binding,
    },
    model::{Field, ResourceRow},
    snapshot::{Accuracy, FieldId, Target},
    text::optional,
};

/// From this width on, the selected resource is shown to the right.
const SIDE_FROM: u16 = 160;
/// Minimum height of the preview.
const MIN_PREVIEW: u16 = 5;
/// From this height on, the list leaves lines for the preview.
const PREVIEW_FROM: u16 = 15;
/// The column of the names of waiting tasks.
const WAITERS_AT: u16 = 8;

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
        let rows = app.resources().ok().map(|_| app.row_count());
        let number = optional(rows, |rows| rows.to_string());
        let mut spans = vec![(format!(" Resources {number}"), theme.title())];
        spans.extend(rows.and_then(|_| title::order::<ResourceRow>(app, theme)));
        spans
    },
    viewport,
    draw,
};

fn open(app: &App) -> Result<Opened, &'static str> {
    match app.cursor().key() {
        Some(RowKey::Resource(key)) => Ok(Opened::Overlay(Overlay::Resource(*key))),
        _ => Err("no resource to open"),
    }
}

fn viewport(app: &App, size: Size) -> Viewport {
    let plan = Plan::new(app, Rect::from(((0, 0).into(), size)));
    Viewport::with_rows(plan.blocks.visible_rows(app.row_count()))
}

/// The places of the list and of the details of the selected resource.
struct Plan {
    list: Rect,
    blocks: Blocks,
    preview: Rect,
}

impl Plan {
    fn new(app: &App, area: Rect) -> Plan {
        let has_side = area.width >= SIDE_FROM && area.height >= MIN_PREVIEW;
        let side = if has_side { area.width * 2 / 5 } else { 0 };
        let main = Rect { width: area.width - side, ..area };
        let lines = |row: &ResourceRow| if row.waiters.is_empty() { 1 } else { 2 };
        let wanted: Vec<u16> = app.resource_rows().iter().map(lines).collect();
        let sum: usize = wanted.iter().map(|lines| usize::from(*lines)).sum();
        let reserved = match has_side || area.height < PREVIEW_FROM {
            true => 0,
            false => area.height / 3,
        };
        // A line has the titles.
        let sum = u16::try_from(sum).unwrap_or(u16::MAX).saturating_add(1);
        let list = Rect { height: sum.min(area.height - reserved).max(1), ..main };
        let below =
            Rect { y: list.bottom(), height: area.height.saturating_sub(list.height), ..main };
        let preview = match has_side {
            true => Rect { x: main.right() + 1, width: side - 1, ..area },
            false => below,
        };
        let blocks = Blocks::of(app, &wanted, list.height - 1);
        Plan { list, blocks, preview }
    }
}

fn draw(app: &App, canvas: &mut Canvas<'_>, area: Rect) {
    let theme = canvas.theme;
    if let (Err(reason), false) = (app.resources(), app.has_several_targets()) {
        canvas.put(area.x, area.y, area.width, &format!(" –  {reason}"), theme.dim());
        return;
    }
    if app.row_count() == 0 {
        let text = match app.filter.is_empty() {
            true => format!("no resource is reported{}", limits(app)),
            false => app.no_match("resource"),
        };
        table::put_empty(canvas, area, &text);
        return;
    }
    let plan = Plan::new(app, area);
    let title = |field: &Field<ResourceRow>| field.title.to_owned();
    let table = Fields::<ResourceRow>::draw_titles(app, canvas, plan.list, |_| false, title);
    let mut y = plan.list.y + 1;
    for (row, height) in (plan.blocks.first..).zip(&plan.blocks.lines) {
        let Some(resource) = app.resource_rows().get(row) else { break };
        let Some(target) = app.model().target(resource.key.target) else { continue };
        let no_graph = |_: &Field<ResourceRow>, _| Vec::new();
        table.draw_row(app, canvas, y, (target, resource), Style::new(), no_graph);
        table::finish_row(app, canvas, plan.list, row, y);
        if *height > 1 {
            let line = Rect { y: y + 1, height: 1, ..plan.list };
            let width = usize::from(line.width.saturating_sub(WAITERS_AT + 1));
            let text = waiters(target.target(), resource, width);
            canvas.put(line.x + WAITERS_AT, line.y, line.width - WAITERS_AT, &text, theme.dim());
            canvas.on_click(line, HitTarget::Row(row));
        }
        y += height;
    }
    if let (Some(RowKey::Resource(key)), MIN_PREVIEW..) = (app.cursor().key(), plan.preview.height)
    {
        let title = app.resource(*key).map(|(_, it)| format!("{} {}", it.type_name, it.id));
        let lines = detail::lines(app, theme, *key);
        preview::draw_titled(canvas, plan.preview, &title.unwrap_or_default(), &lines);
    }
}

/// The resources that the selected target does not report, after a colon, or nothing.
fn limits(app: &App) -> String {
    match app.selected().map(|model| model.target().description.accuracy(FieldId::Resources)) {
        Some(Accuracy::LowerBound { reason }) => format!(": {reason}"),
        _ => String::new(),
    }
}

/// The tasks that wait, as many as fit: `waiting: conn-3, conn-7 and 12 more`.
fn waiters(target: &Target, row: &ResourceRow, width: usize) -> String {
    let mut text = String::new();
    for (at, key) in row.waiters.iter().enumerate() {
        let separator = if at == 0 { "waiting: " } else { ", " };
        let name = task_name(target, *key);
        let after = row.waiters.len() - at;
        let more = format!(" and {after} more");
        let rest = if after > 1 { more.width() } else { 0 };
        if at > 0 && text.width() + separator.len() + name.width() + rest > width {
            return text + &more;
        }
        text += separator;
        text += &name;
    }
    text
}

fn task_name(target: &Target, key: u64) -> String {
    target.task(key).map_or("?".to_owned(), |task| task.meta.name.to_string())
}
