//! Tables as comma-separated values (RFC 4180).

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::Arc,
};

use super::{
    json::findings,
    row::{Row, Value},
    tables,
};
use crate::{
    model::{Finding, GroupRow, Model, ResourceRow, TargetModel, TaskRow},
    snapshot::TargetId,
};

/// Writes the tasks: a line of names and one line for each. The columns are the fields of a task in
/// the JSON document and the name of the target. Unavailable values are empty. Resources and async
/// operations, if there are any, follow as two further tables, each after an empty line.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(model: &Model, out: &mut impl Write) -> io::Result<()> {
    if model.targets().is_empty() {
        return Ok(());
    }
    let names: Vec<_> = tables::task_names().collect();
    write!(out, "{},target\r\n", names.join(","))?;
    let mut tasks = Table { out: &mut *out, has_names: true };
    for target in model.targets() {
        tables::tasks(target).try_for_each(|row| tasks.line(target.name(), &row))?;
    }
    let targets = || model.targets().iter();
    let resources = targets().flat_map(|target| {
        let all = target.target().resources.iter().flat_map(|all| &all.resources);
        all.map(|resource| (target.name(), tables::resource(resource)))
    });
    further_table(resources, out)?;
    let async_ops = targets().flat_map(|target| {
        let all = target.target().resources.iter().flat_map(|all| &all.async_ops);
        all.map(|op| (target.name(), tables::async_op(op)))
    });
    further_table(async_ops, out)
}

/// Writes an empty line and a table. No rows are no table.
fn further_table<'a>(
    rows: impl Iterator<Item = (&'a Arc<str>, Row<'a>)>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        write!(out, "\r\n")?;
    }
    let mut table = Table { out, has_names: false };
    rows.try_for_each(|(target, row)| table.line(target, &row))
}

/// The rows of a screen.
#[derive(Clone, Debug)]
pub enum Rows<'a> {
    /// These tasks.
    Tasks(&'a [TaskRow]),
    /// These groups.
    Groups(&'a [GroupRow]),
    /// All workers.
    Workers,
    /// These findings.
    Findings(Vec<&'a Finding>),
    /// These resources.
    Resources(&'a [ResourceRow]),
}

/// Writes a line of names and one line for each row, in the same form as [`write()`]. Lists are
/// JSON.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_rows(model: &Model, rows: &Rows<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table { out, has_names: false };
    let mut line = |target: TargetId, row: Row<'_>| -> io::Result<()> {
        let name = model.target(target).map(TargetModel::name);
        table.line(name.map_or("", |name| name), &row)
    };
    match rows {
        Rows::Tasks(rows) => rows.iter().try_for_each(|row| {
            let target = &model.targets()[row.target as usize];
            line(target.target().id, tables::values(target, row))
        }),
        Rows::Groups(rows) => rows.iter().try_for_each(|row| {
            let Some(target) = model.target(row.target) else { return Ok(()) };
            line(row.target, tables::values(target, row))
        }),
        Rows::Workers => model.targets().iter().try_for_each(|target| {
            tables::workers(target).try_for_each(|row| line(target.target().id, row))
        }),
        Rows::Findings(rows) => {
            rows.iter().try_for_each(|row| line(row.target, findings::finding(row)))
        }
        Rows::Resources(rows) => rows.iter().try_for_each(|row| {
            let resources =
                model.target(row.key.target).and_then(|it| it.target().resources.as_ref());
            let resource = resources.and_then(|resources| resources.resource(row.key.id));
            resource.map_or(Ok(()), |resource| line(row.key.target, tables::resource(resource)))
        }),
    }
}

/// A table that begins with the names of its columns.
struct Table<'o, W> {
    out: &'o mut W,
    has_names: bool,
}

impl<W: Write> Table<'_, W> {
    /// Writes a row, before the first one the names of its values.
    fn line(&mut self, target: &str, Row(values): &Row<'_>) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_names, true) {
            values.iter().try_for_each(|(name, _)| write!(self.out, "{name},"))?;
            write!(self.out, "target\r\n")?;
        }
        values.iter().try_for_each(|(_, value)| cell(value, self.out))?;
        write!(self.out, "{}\r\n", quoted(target))
    }
}

/// Writes a value and the comma after it.
fn cell(value: &Value<'_>, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Text(text) => write!(out, "{},", quoted(text)),
        Value::Integer(n) => write!(out, "{n},"),
        Value::Number(n) => write!(out, "{n},"),
        Value::Flag(flag) => write!(out, "{flag},"),
        Value::Null => write!(out, ","),
        Value::List(_) | Value::Map(_) | Value::Row(_) => {
            write!(out, "{},", quoted(&serde_json::to_string(value)?))
        }
    }
}

/// Quotes a text if it contains a separator. A spreadsheet would evaluate a text that begins like a
/// formula, so it gets an apostrophe in front.
fn quoted(text: &str) -> Cow<'_, str> {
    let mark = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{mark}{}\"", text.replace('"', "\"\"")).into(),
        false if mark.is_empty() => text.into(),
        false => format!("{mark}{text}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn written() -> String {
        let mut out = Vec::new();
        write(&testing::fixed().0, &mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn table_follows_the_schema() {
        insta::assert_snapshot!(written().replace('\r', "␍"));
    }

    #[test]
    fn rows_have_all_columns() {
        let text = written();
        let tables: Vec<_> = text.split("\r\n\r\n").collect();
        assert_eq!(tables.len(), 3, "tasks, resources, async operations");
        for table in tables {
            let columns = |line: &str| line.split(',').count();
            let names = table.lines().next().map(columns);
            for line in table.lines().filter(|line| !line.contains('"')) {
                assert_eq!(Some(columns(line)), names, "{line}");
            }
        }
    }

    #[test]
    fn separators_are_quoted() {
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("a \"b\"\n"), "\"a \"\"b\"\"\n\"");
        assert_eq!(quoted("plain"), "plain");
    }

    #[test]
    fn formulas_are_escaped() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)"] {
            assert_eq!(quoted(text), format!("'{text}"));
        }
        assert_eq!(quoted("=A1,B1"), "\"'=A1,B1\"");
        assert_eq!(quoted("a=1"), "a=1");
    }
}
