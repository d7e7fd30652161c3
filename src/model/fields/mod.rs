//! The fields of tasks, groups, workers and resources: one entry per column, with everything about it.
//!
//! Sort order, titles, cells, the choice of columns, filter terms and reports read these tables, so a
//! new column is one entry. They are part of the model because the model sorts and filters by them;
//! they define the emphasis of a cell, and no color.

mod groups;
mod resources;
mod tasks;
mod workers;

use std::{borrow::Cow, cmp::Ordering};

use super::TargetModel;
use crate::{
    snapshot::{FieldId, State},
    text::{
        UNAVAILABLE, bucket_duration, bytes, compact_count, count, duration, parse_duration,
        percent_number, rate,
    },
};

/// The name of a field in its table: in JSON documents, in the CSV head and in the configuration.
pub type Column = &'static str;

/// A field of the rows of a table: a column and its values.
pub struct Field<R: 'static> {
    /// The name, which is that in JSON documents.
    pub name: Column,
    /// The title above the column.
    pub title: &'static str,
    /// The meaning in a few words.
    pub help: &'static str,
    /// How values are written and compared.
    pub kind: FieldKind,
    /// The field of the target's description, if a target may lack it.
    pub id: Option<FieldId>,
    /// The width on the screen.
    pub width: Width,
    /// Columns with a high rank are dropped first; 0 for one that is shown only by choice.
    pub rank: u8,
    /// Whether the JSON document has the field.
    pub in_reports: bool,
    value: ValueOf<R>,
    exact: ValueOf<R>,
    order: Option<fn(&TargetModel, &R) -> u64>,
    emphasis: fn(&TargetModel, &R) -> Emphasis,
}

type ValueOf<R> = for<'a> fn(&'a TargetModel, &'a R) -> Value<'a>;

/// The width of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// The column is dropped rather than narrower than this.
    pub min: u16,
    /// The width for typical values. Less important columns get only what is left beside it.
    pub wanted: u16,
    /// The column can use this width if there is nothing else to show.
    pub max: u16,
}

/// How the values of a field are written, aligned and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A number that names something.
    Id,
    /// A number of things.
    Count,
    /// A number per second.
    Rate,
    /// A share of the time, 0 to 1.
    Share,
    /// Nanoseconds.
    Duration,
    /// Nanoseconds, from a histogram.
    Quantile,
    /// A size in bytes.
    Bytes,
    /// A text.
    Text,
    /// A path, which is cut at the start.
    Path,
    /// A graph, which the screen draws. Reports do not have it.
    Graph,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known.
    Unknown,
    /// A whole number.
    Integer(u64),
    /// A share or a rate.
    Number(f64),
    /// A text.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// The value without borrowed text.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Unknown => Value::Unknown,
            Value::Integer(n) => Value::Integer(n),
            Value::Number(n) => Value::Number(n),
            Value::Text(text) => Value::Text(text.into_owned().into()),
        }
    }
}

/// A value as text, and its emphasis.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// The emphasis.
    pub emphasis: Emphasis,
}

/// The emphasis of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Emphasis {
    /// None.
    Plain,
    /// Less important than other cells.
    Dim,
    /// New.
    New,
    /// A warning.
    Warning,
    /// That of a state, which has a glyph.
    State(State),
    /// By a busy share.
    Share(f64),
    /// By the length of a poll, in ns.
    Length(u64),
    /// The value is unknown.
    Unknown,
}

/// A row whose fields are in a table.
pub trait Row: Sized + 'static {
    /// The name of the table in the configuration.
    const TABLE: &'static str;

    /// All fields, in the order of the columns.
    fn fields() -> &'static [Field<Self>];
}

/// The field with this name.
pub fn field<R: Row>(name: Column) -> Option<&'static Field<R>> {
    R::fields().iter().find(|field| field.name == name)
}

/// Rows in the order of a column; ties keep their order.
pub(super) fn select<R: Row>(
    rows: Vec<(&TargetModel, R)>,
    sort: Column,
    descending: bool,
) -> Vec<R> {
    let ties = rows.iter().map(|(target, row)| (*target, row, 0));
    let order = field::<R>(sort).map(|field| field.sort(descending, ties));
    let mut rows: Vec<_> = rows.into_iter().map(|(_, row)| Some(row)).collect();
    let order = order.unwrap_or_else(|| (0..rows.len() as u32).collect());
    order.into_iter().filter_map(|at| rows[at as usize].take()).collect()
}

impl FieldKind {
    /// Whether the column is aligned to the right.
    pub fn is_number(self) -> bool {
        !matches!(self, FieldKind::Text | FieldKind::Path | FieldKind::Graph)
    }

    /// Whether the largest values come first unless the user reverses the order.
    pub fn is_descending(self) -> bool {
        self.is_number() && self != FieldKind::Id
    }

    /// The text of a value in a narrow column.
    pub fn text(self, value: &Value<'_>) -> String {
        match (self, value) {
            (_, Value::Unknown) => UNAVAILABLE.to_owned(),
            (_, Value::Text(text)) => text.to_string(),
            (FieldKind::Share, Value::Number(share)) => percent_number(*share),
            (_, Value::Number(number)) => rate(*number),
            (FieldKind::Count | FieldKind::Rate, Value::Integer(n)) => compact_count(*n),
            (FieldKind::Duration, Value::Integer(n)) => duration(*n),
            (FieldKind::Quantile, Value::Integer(n)) => bucket_duration(*n),
            (FieldKind::Bytes, Value::Integer(n)) => bytes(*n),
            (_, Value::Integer(n)) => n.to_string(),
        }
    }

    /// The text of a value with all digits of a count, for reports.
    pub fn full_text(self, value: &Value<'_>) -> String {
        match (self, value) {
            (FieldKind::Count, Value::Integer(n)) => count(*n),
            _ => self.text(value),
        }
    }

    /// A number to compare values with.
    ///
    /// # Errors
    /// An example, if the text is not a value of this kind.
    pub(super) fn parse(self, text: &str) -> Result<f64, &'static str> {
        let number = |text: &str| text.replace(',', "").parse::<f64>().ok();
        let (number, example) = match self {
            FieldKind::Duration | FieldKind::Quantile => {
                (parse_duration(text).ok().map(|it| it.as_nanos() as f64), "5ms")
            }
            FieldKind::Share => {
                (text.strip_suffix('%').and_then(number).map(|percent| percent / 100.0), "10%")
            }
            _ => {
                let scaled = [("k", 1e3), ("M", 1e6), ("G", 1e9)]
                    .into_iter()
                    .find_map(|(unit, n)| Some(text.strip_suffix(unit).and_then(number)? * n));
                (number(text).or(scaled), "100")
            }
        };
        number.filter(|number| number.is_finite()).ok_or(example)
    }
}

impl<R> Field<R> {
    const fn new(
        name: Column,
        title: &'static str,
        help: &'static str,
        kind: FieldKind,
        value: ValueOf<R>,
    ) -> Self {
        let width = Width { min: 7, wanted: 7, max: 7 };
        let emphasis = |_: &TargetModel, _: &R| Emphasis::Plain;
        let in_reports = !matches!(kind, FieldKind::Graph);
        Field {
            name,
            title,
            help,
            kind,
            id: None,
            width,
            rank: 0,
            in_reports,
            value,
            exact: value,
            order: None,
            emphasis,
        }
    }

    /// A field that a target may lack.
    const fn of(self, id: FieldId) -> Self {
        Field { id: Some(id), ..self }
    }

    /// A column that is shown by default: its rank and its width.
    const fn shown(self, rank: u8, min: u16, wanted: u16, max: u16) -> Self {
        Field { rank, width: Width { min, wanted, max }, ..self }
    }

    /// A field that JSON documents do not have.
    const fn screen_only(self) -> Self {
        Field { in_reports: false, ..self }
    }

    /// The value in reports, where it differs from the one that the screen shows.
    const fn exact(self, exact: ValueOf<R>) -> Self {
        Field { exact, ..self }
    }

    /// Sorts by this number instead of the value.
    const fn ordered_by(self, order: fn(&TargetModel, &R) -> u64) -> Self {
        Field { order: Some(order), ..self }
    }

    const fn styled(self, emphasis: fn(&TargetModel, &R) -> Emphasis) -> Self {
        Field { emphasis, ..self }
    }

    /// Whether the target has values of this field.
    pub fn is_in(&self, target: &TargetModel) -> bool {
        self.id.is_none_or(|id| target.target().description.has(id))
    }

    /// The value on the screen, of a target that has the field.
    pub(super) fn value<'a>(&self, target: &'a TargetModel, row: &'a R) -> Value<'a> {
        (self.value)(target, row)
    }

    /// The value in reports. Rates are not smoothed.
    pub fn exact_value<'a>(&self, target: &'a TargetModel, row: &'a R) -> Value<'a> {
        if self.is_in(target) { (self.exact)(target, row) } else { Value::Unknown }
    }

    /// The text of a cell, and its emphasis.
    pub fn cell(&self, target: &TargetModel, row: &R) -> Cell {
        let value = if self.is_in(target) { self.value(target, row) } else { Value::Unknown };
        let emphasis = match value {
            Value::Unknown => Emphasis::Unknown,
            _ => (self.emphasis)(target, row),
        };
        Cell { text: self.kind.text(&value), emphasis }
    }

    /// The number to sort by; `None` for a text or an unknown value. A difference that is not
    /// displayed does not order rows.
    fn number(&self, target: &TargetModel, row: &R) -> Option<u64> {
        let value = self.value(target, row);
        if let Some(order) = self.order.filter(|_| !matches!(value, Value::Unknown)) {
            return Some(order(target, row));
        }
        match (value, self.kind) {
            (Value::Integer(n), _) => Some(n),
            (Value::Number(share), FieldKind::Share) => Some(per_mille(share)),
            (Value::Number(number), _) => Some(number.round() as u64),
            (Value::Text(_) | Value::Unknown, _) => None,
        }
    }

    /// The positions of rows in the order of this field. Each row comes with the number that decides
    /// between equal values. Rows without a value come last.
    pub(super) fn sort<'a>(
        &self,
        descending: bool,
        rows: impl Iterator<Item = (&'a TargetModel, &'a R, u64)>,
    ) -> Vec<u32> {
        let rows = rows
            .zip(0u32..)
            .map(|((target, row, tie), at)| (self.is_in(target).then_some((target, row)), tie, at));
        if self.kind.is_number() || self.order.is_some() {
            let directed = |number: u64| if descending { !number } else { number };
            let mut keyed: Vec<_> = rows
                .map(|(row, tie, at)| {
                    let number = row.and_then(|(target, row)| self.number(target, row));
                    (number.is_none(), number.map(directed), tie, at)
                })
                .collect();
            keyed.sort_unstable();
            return keyed.into_iter().map(|(.., at)| at).collect();
        }
        let mut keyed: Vec<_> = rows
            .map(|(row, tie, at)| {
                let value = row.map(|(target, row)| self.value(target, row));
                (value.filter(|value| !matches!(value, Value::Unknown)), tie, at)
            })
            .collect();
        keyed.sort_unstable_by(|(a, first, one), (b, second, other)| {
            let order = match (a, b) {
                (Some(Value::Text(a)), Some(Value::Text(b))) if descending => natural(b, a),
                (Some(Value::Text(a)), Some(Value::Text(b))) => natural(a, b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            };
            order.then((first, one).cmp(&(second, other)))
        });
        keyed.into_iter().map(|(.., at)| at).collect()
    }
}

fn per_mille(share: f64) -> u64 {
    (share * 1000.0).round() as u64
}

/// Text order in which `conn-9` comes before `conn-10`.
fn natural(a: &str, b: &str) -> Ordering {
    let split = |text: &'_ str| {
        let stem = text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        (stem, text[stem..].parse::<u64>().ok())
    };
    let ((a_stem, a_number), (b_stem, b_number)) = (split(a), split(b));
    a[..a_stem].cmp(&b[..b_stem]).then(a_number.cmp(&b_number)).then(a.cmp(b))
}

macro_rules! from {
    ($($type:ty: $value:ident => $into:expr,)+) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from($value: $type) -> Self {
                $into
            }
        })+
    };
}

from! {
    u64: n => Value::Integer(n),
    u32: n => Value::Integer(n.into()),
    usize: n => Value::Integer(n as u64),
    f64: n => Value::Number(n),
    &'a str: text => Value::Text(text.into()),
    String: text => Value::Text(text.into()),
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Unknown, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GroupRow, ResourceRow, TaskRow, WorkerRow};

    fn names<R: Row>() -> Vec<Column> {
        R::fields().iter().map(|field| field.name).collect()
    }

    #[test]
    fn names_are_unique() {
        fn check<R: Row>() {
            let mut names = names::<R>();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count);
        }
        check::<TaskRow>();
        check::<GroupRow>();
        check::<WorkerRow>();
        check::<ResourceRow>();
    }

    #[test]
    fn columns_page_has_all_columns() {
        fn table<R: Row>() -> String {
            let rows = R::fields().iter();
            rows.map(|field| format!("| `{}` | {} |\n", field.title, field.help)).collect()
        }
        let page = include_str!("../../../docs/columns.md");
        for (heading, table) in [
            ("Tasks", table::<TaskRow>()),
            ("Groups", table::<GroupRow>()),
            ("Workers", table::<WorkerRow>()),
            ("Resources", table::<ResourceRow>()),
        ] {
            let expected = format!("## {heading}\n\n| column | meaning |\n|---|---|\n{table}");
            assert!(page.contains(&expected), "docs/columns.md must contain\n{expected}");
        }
    }

    #[test]
    fn operands_have_the_form_of_the_values() {
        assert_eq!(FieldKind::Duration.parse("5ms"), Ok(5e6));
        assert_eq!(FieldKind::Share.parse("10%"), Ok(0.1));
        assert_eq!(FieldKind::Share.parse("10"), Err("10%"));
        assert_eq!(
            [FieldKind::Count.parse("1,500"), FieldKind::Rate.parse("1.5k")],
            [Ok(1500.0); 2]
        );
        assert_eq!(FieldKind::Count.parse("many"), Err("100"));
    }

    #[test]
    fn numbers_at_the_end_of_texts_sort_as_numbers() {
        assert_eq!(natural("conn-9", "conn-10"), Ordering::Less);
        assert_eq!(natural("accept", "conn-9"), Ordering::Less);
    }
}
