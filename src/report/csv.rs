//! The table of tasks as comma-separated values (RFC 4180).

use std::{
    borrow::Cow,
    io::{self, Write},
};

use super::{row::Value, tables};
use crate::model::Model;

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

/// Writes a value and the comma after it. The rows of tasks contain neither lists nor objects.
fn cell(value: &Value<'_>, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Text(text) => write!(out, "{},", quoted(text)),
        Value::Integer(n) => write!(out, "{n},"),
        Value::Number(n) => write!(out, "{n},"),
        Value::Flag(flag) => write!(out, "{flag},"),
        Value::Null | Value::List(_) | Value::Map(_) | Value::Row(_) => write!(out, ","),
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
