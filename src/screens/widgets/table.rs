//! Tables: the columns that fit, their places, and the visible rows.

use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

use super::canvas::{Canvas, Spans};
use crate::{
    app::{App, HitTarget},
    model::{Cell, Column, Emphasis, Field, FieldKind, Row, TargetModel, Width},
    screens::theme::Theme,
    text::{fit_name, wrap},
};

/// The columns with the names of the rows.
const NAMES: [Column; 2] = ["name", "thread"];

/// The space that a column needs.
#[derive(Clone, Copy, Debug)]
pub struct Spec<C> {
    pub column: C,
    pub width: Width,
    /// Columns with a high rank are dropped first.
    pub rank: u8,
    /// Whether the text is aligned to the right.
    pub right: bool,
}

impl<C> Spec<C> {
    /// A column of numbers.
    pub const fn number(column: C, width: u16, rank: u8) -> Self {
        Spec { column, width: Width { min: width, wanted: width, max: width }, rank, right: true }
    }

    /// A column of text.
    pub const fn text(column: C, width: u16, grow: u16, rank: u8) -> Self {
        let width = Width { min: width, wanted: width, max: width + grow };
        Spec { column, width, rank, right: false }
    }
}

/// A column and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<C> {
    pub column: C,
    pub x: u16,
    pub width: u16,
    pub right: bool,
}

impl<C> Place<C> {
    /// Writes the text of a cell. A path that does not fit is cut at its start.
    pub fn put(&self, canvas: &mut Canvas<'_>, y: u16, text: &str, style: Style, is_path: bool) {
        if self.right {
            canvas.put_right(self.x, y, self.width, text, style);
        } else if is_path {
            canvas.put_path(self.x, y, self.width, text, style);
        } else {
            let text = fit_name(text, self.width.into(), canvas.theme.ascii);
            canvas.put(self.x, y, self.width, &text, style);
        }
    }

    /// Writes the title of the column. `descending` is the direction if rows are sorted by it.
    pub fn put_title(
        &self,
        canvas: &mut Canvas<'_>,
        y: u16,
        title: &str,
        descending: Option<bool>,
    ) {
        let theme = canvas.theme;
        let mark = match descending {
            Some(true) => theme.glyph("▼", "v"),
            Some(false) => theme.glyph("▲", "^"),
            None => "",
        };
        // There is no room for the mark beside a title of one character.
        let (title, style) = match descending {
            Some(_) if self.width == 1 => (mark.to_owned(), theme.key()),
            None if self.width == 1 => (title.chars().take(1).collect(), theme.title()),
            Some(_) => (format!("{title}{mark}"), theme.key()),
            None => (title.to_owned(), theme.title()),
        };
        self.put(canvas, y, &title, style, false);
    }

    /// The part of the title line that belongs to the column: its width and the gap after it.
    pub fn title_area(&self, y: u16) -> Rect {
        Rect::new(self.x, y, self.width + 1, 1)
    }
}

/// Chooses columns by rank until the line is full, `sorted` always among them, and distributes the
/// rest of the width. A column has its wanted width before a less important one is shown at all.
pub fn places<C: Copy + PartialEq>(specs: &[Spec<C>], sorted: C, width: u16) -> Vec<Place<C>> {
    let mut by_rank: Vec<(usize, &Spec<C>)> = specs.iter().enumerate().collect();
    by_rank.sort_by_key(|(_, spec)| if spec.column == sorted { 0 } else { spec.rank });
    let mut left = width.saturating_sub(1);
    let mut widths = vec![0; specs.len()];
    for (at, spec) in by_rank {
        // The first column that does not fit ends the choice: a narrow column must not replace a
        // more important one.
        if spec.width.min > left && widths.iter().any(|width| *width > 0) {
            break;
        }
        widths[at] = spec.width.wanted.min(left).max(spec.width.min);
        left = left.saturating_sub(widths[at] + 1);
    }
    // Each column gets a part of the rest in proportion to what it can use.
    let usable = |(spec, wide): (&Spec<C>, u16)| match wide {
        0 => 0,
        wide => spec.width.max.saturating_sub(wide),
    };
    let mut total: u16 = specs.iter().zip(widths.iter().copied()).map(usable).sum();
    for (spec, wide) in specs.iter().zip(&mut widths) {
        let more = usable((spec, *wide));
        let share = u32::from(left.min(total)) * u32::from(more) / u32::from(total.max(1));
        *wide += share as u16;
        left -= share as u16;
        total -= more;
    }
    let mut x = 1;
    let mut places = Vec::with_capacity(specs.len());
    for (spec, wide) in specs.iter().zip(widths).filter(|(_, wide)| *wide > 0) {
        let place_width = wide.min(width.saturating_sub(x));
        places.push(Place { column: spec.column, x, width: place_width, right: spec.right });
        x += wide + 1;
    }
    places
}

/// A table of fields: the places of its columns.
pub struct Fields<R: 'static> {
    fields: Vec<&'static Field<R>>,
    titles: Vec<String>,
    /// The position of the column by which the rows are sorted.
    sorted: Option<usize>,
    places: Vec<Place<usize>>,
}

/// The columns that have room on a line of this width, except those that `is_hidden`.
pub fn fitting<R: Row>(
    app: &App,
    width: u16,
    is_hidden: impl Fn(&Field<R>) -> bool,
) -> Vec<Column> {
    let table = Fields::<R>::new(app, width, is_hidden, |field| field.title.to_owned());
    table.places.iter().map(|place| table.fields[place.column].name).collect()
}

impl<R: Row> Fields<R> {
    fn new(
        app: &App,
        width: u16,
        is_hidden: impl Fn(&Field<R>) -> bool,
        title: impl Fn(&Field<R>) -> String,
    ) -> Self {
        let fields: Vec<_> =
            app.columns::<R>().into_iter().filter(|field| !is_hidden(field)).collect();
        let query = app.row_query().query();
        let titles: Vec<String> = fields.iter().map(|field| title(field)).collect();
        let sorted = query.and_then(|it| fields.iter().position(|field| field.name == it.sort));
        let spec = |(at, field): (usize, &&Field<R>)| {
            let mut width = field.width;
            // Titles keep a space between them also with the mark of the order.
            if Some(at) == sorted && width.min > 1 {
                let with_mark = titles[at].width() as u16 + 1;
                width = Width {
                    min: width.min.max(with_mark),
                    wanted: width.wanted.max(with_mark),
                    max: width.max.max(with_mark),
                };
            }
            // Columns of the user's choice without a rank of their own are dropped first.
            let rank = if field.rank == 0 { u8::MAX } else { field.rank };
            Spec { column: at, width, rank, right: field.kind.is_number() }
        };
        let mut specs: Vec<_> = fields.iter().enumerate().map(spec).collect();
        let sorted_at = sorted.unwrap_or(usize::MAX);
        // Names have the width of the longest one, as far as that needs no column to be dropped.
        let name = fields.iter().position(|field| NAMES.contains(&field.name));
        if let Some(name) = name {
            let Width { wanted, max, .. } = &mut specs[name].width;
            *max = (app.longest_name() as u16).clamp(*wanted, *max);
        }
        let mut places = self::places(&specs, sorted_at, width);
        if let Some(name) = name {
            let Width { wanted, max, .. } = specs[name].width;
            let wider = (wanted + 1..=max).rev().map(|wanted| {
                specs[name].width.wanted = wanted;
                self::places(&specs, sorted_at, width)
            });
            let columns = places.len();
            places = wider.into_iter().find(|wider| wider.len() == columns).unwrap_or(places);
        }
        Fields { fields, titles, sorted, places }
    }

    /// The columns that fit, except those that `is_hidden`, and their titles at the top of `area`.
    pub fn draw_titles(
        app: &App,
        canvas: &mut Canvas<'_>,
        area: Rect,
        is_hidden: impl Fn(&Field<R>) -> bool,
        title: impl Fn(&Field<R>) -> String,
    ) -> Self {
        let table = Fields::new(app, area.width, is_hidden, title);
        let query = app.row_query().query();
        for place in &table.places {
            let field = table.fields[place.column];
            let is_sorted = table.sorted == Some(place.column);
            let descending = query.filter(|_| is_sorted).map(|it| it.descending);
            place.put_title(canvas, area.y, &table.titles[place.column], descending);
            if query.is_some() && field.kind != FieldKind::Graph {
                let target = HitTarget::Column(field.name);
                canvas.on_click(place.title_area(area.y), target);
            }
        }
        table
    }

    /// Draws a row. `graph` draws the cells of graphs.
    pub fn draw_row(
        &self,
        app: &App,
        canvas: &mut Canvas<'_>,
        y: u16,
        (target, row): (&TargetModel, &R),
        plain: Style,
        graph: impl Fn(&Field<R>, usize) -> Spans,
    ) {
        for place in &self.places {
            let field = self.fields[place.column];
            if field.kind == FieldKind::Graph && field.is_in(target) {
                let spans = graph(field, usize::from(place.width));
                canvas.line(place.x, y, place.x + place.width, &spans);
                continue;
            }
            let Cell { text, emphasis } = field.cell(target, row);
            let theme = canvas.theme;
            let style = match emphasis {
                Emphasis::Plain => plain,
                Emphasis::Dim | Emphasis::Unknown => theme.dim(),
                Emphasis::New => theme.new_row(),
                Emphasis::Warning => theme.warning(),
                Emphasis::Share(share) => theme.share(share),
                Emphasis::Length(length_ns) => {
                    theme.length(app.model().thresholds(), length_ns, plain)
                }
                Emphasis::State(state) => {
                    place.put(canvas, y, theme.state_glyph(state), theme.state(state), false);
                    continue;
                }
            };
            // Groups by location have paths as names.
            let is_path =
                field.kind == FieldKind::Path || text.contains('/') && !text.contains(' ');
            place.put(canvas, y, &text, style, is_path);
        }
    }
}

/// The title of a column. It marks values that are lower bounds.
pub fn title_of<R>(app: &App, theme: Theme, field: &Field<R>) -> String {
    let is_lower_bound =
        |id| app.target().is_some_and(|target| target.description.accuracy(id).is_lower_bound());
    match (field.title.strip_prefix("MAX "), field.id) {
        (Some(title), Some(id)) if is_lower_bound(id) => {
            format!("{title} {}", theme.glyph("≥", ">="))
        }
        _ => field.title.to_owned(),
    }
}

/// The visible rows of the screen, each with its line. The first line of `area` has the titles.
pub fn visible_rows(app: &App, area: Rect) -> impl Iterator<Item = (usize, u16)> + use<> {
    (app.cursor().top()..app.row_count()).zip(area.y + 1..area.bottom())
}

/// Completes a row: it can be clicked, and is highlighted if it is selected.
pub fn finish_row(app: &App, canvas: &mut Canvas<'_>, area: Rect, row: usize, y: u16) {
    let line = Rect::new(area.x, y, area.width, 1);
    canvas.on_click(line, HitTarget::Row(row));
    if app.cursor().is_at(row) {
        canvas.highlight(line, canvas.theme.selected());
    }
}

/// Writes why a table has no rows, below its titles.
pub fn put_empty(canvas: &mut Canvas<'_>, area: Rect, text: &str) {
    let width = area.width.saturating_sub(2);
    for (y, line) in (area.y + 1..area.bottom()).zip(wrap(text, width.into())) {
        canvas.put(area.x + 1, y, width, &line, canvas.theme.dim());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: [Spec<char>; 3] =
        [Spec::number('a', 5, 2), Spec::text('b', 10, 20, 1), Spec::number('c', 8, 3)];

    fn columns(sorted: char, width: u16) -> String {
        places(&SPECS, sorted, width).iter().map(|place| place.column).collect()
    }

    #[test]
    fn columns_are_dropped_by_rank_and_the_sorted_one_stays() {
        assert_eq!(columns('b', 40), "abc");
        assert_eq!(columns('b', 20), "ab");
        assert_eq!(columns('b', 12), "b");
        assert_eq!(columns('c', 22), "bc");
        assert_eq!(columns('c', 10), "c");
    }

    #[test]
    fn column_has_its_wanted_width_before_a_less_important_one_is_shown() {
        let mut specs = SPECS;
        specs[1].width.wanted = 20;
        let width = |width| places(&specs, 'b', width).iter().map(|place| place.width).collect();
        let widths: [Vec<u16>; 3] = [24, 28, 37].map(width);
        assert_eq!(widths, [vec![22], vec![5, 20], vec![5, 20, 8]]);
    }

    #[test]
    fn columns_stay_inside_the_line_and_do_not_overlap() {
        for width in 1..100 {
            let places = places(&SPECS, 'c', width);
            assert!(places.iter().all(|place| place.x + place.width <= width.max(1)), "{width}");
            assert!(places.windows(2).all(|pair| pair[0].x + pair[0].width < pair[1].x));
        }
    }
}
