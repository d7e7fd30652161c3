//! The table of tasks as comma-separated values (RFC 4180).

use std::{
    borrow::Cow,
    io::{self, Write},
};

use super::{
    json::findings,
    row::{Row, Value},
    tables,
};
use crate::{
    model::{Finding, GroupRow, Model, ResourceRow, TaskRow},
    snapshot::TargetId,
};

/// Writes a line of names and one line for each task. The columns are the fields of a task in the
/// JSON document and the name of the target. Unavailable values are empty.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(model: &Model, out: &mut impl Write) -> io::Result<()> {
    if model.targets().is_empty() {
        return Ok(());
    }
    let names: Vec<_> = tables::task_names().collect();
    write!(out, "{},target\r\n", names.join(","))?;
    for target in model.targets() {
        let name = quoted(target.name());
        for row in tables::tasks(target) {
            row.0.iter().try_for_each(|(_, value)| cell(value, out))?;
            write!(out, "{name}\r\n")?;
        }
    }
    Ok(())
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
    let mut has_names = false;
    let mut line = |target: TargetId, row: Row<'_>| -> io::Result<()> {
        let name = model.target(target).map(|target| target.name().to_string());
        if !std::mem::replace(&mut has_names, true) {
            row.0.iter().try_for_each(|(name, _)| write!(out, "{name},"))?;
            write!(out, "target\r\n")?;
        }
        row.0.iter().try_for_each(|(_, value)| cell(value, out))?;
        write!(out, "{}\r\n", quoted(&name.unwrap_or_default()))
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
        let columns = tables::task_names().count() + 1;
        for line in written().lines().filter(|line| !line.contains('"')) {
            assert_eq!(line.split(',').count(), columns, "{line}");
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
