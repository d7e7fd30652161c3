//! The table of tasks as comma-separated values, as RFC 4180 has them. The columns are
//! named as in the JSON document.

use std::io::{self, Write};

use crate::model::{Model, TaskStats};

/// The columns, in the order of a row.
const COLUMNS: &str = "id,key,name,group,location,state,stage,polls,wakes,self_wakes,\
                       live_wakers,lifetime_ns,busy_ns,scheduled_ns,idle_ns,max_poll_ns,\
                       max_delay_ns,target";

/// Writes a line of names and a line for each task. What is not to be had is empty.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(model: &Model, out: &mut impl Write) -> io::Result<()> {
    if model.targets().is_empty() {
        return Ok(());
    }
    write!(out, "{COLUMNS}\r\n")?;
    for target in model.targets() {
        target.target().tasks.iter().try_for_each(|task| row(target.name(), task, out))?;
    }
    Ok(())
}

fn row(target: &str, task: &TaskStats, out: &mut impl Write) -> io::Result<()> {
    let meta = &task.meta;
    write!(out, "{},{},", meta.id, task.key)?;
    for text in [&meta.name, &meta.group, &meta.location] {
        write!(out, "{},", quoted(text))?;
    }
    let stage = task.stage.as_deref().map(quoted).unwrap_or_default();
    let wakers = task.live_wakers.map(|n| n.to_string()).unwrap_or_default();
    write!(out, "{},{stage},{},{},", task.state.as_str(), task.polls, task.wakes)?;
    write!(out, "{},{wakers},{},{},", task.self_wakes, task.lifetime_ns, task.busy_ns)?;
    write!(out, "{},{},{},", task.scheduled_ns, task.idle_ns, task.max_poll_ns)?;
    write!(out, "{},{}\r\n", task.max_delay_ns, quoted(target))
}

/// A text as a field. In quotes, if it contains what would end the field. A spreadsheet would
/// evaluate a text that begins like a formula, so it gets an apostrophe in front.
fn quoted(text: &str) -> String {
    let mark = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{mark}{text}")
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
    fn the_table_is_as_it_was_promised() {
        insta::assert_snapshot!(written().replace('\r', "␍"));
    }

    #[test]
    fn every_row_has_every_column() {
        let columns = COLUMNS.split(',').count();
        for line in written().lines().filter(|line| !line.contains('"')) {
            assert_eq!(line.split(',').count(), columns, "{line}");
        }
    }

    #[test]
    fn quotes_commas_and_line_ends_stay_inside_their_field() {
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"");
        assert_eq!(quoted("plain"), "plain");
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)"] {
            assert_eq!(quoted(text), format!("'{text}"));
        }
        assert_eq!(quoted("=A1,B1"), "\"'=A1,B1\"");
        assert_eq!(quoted("a=1"), "a=1");
    }
}
