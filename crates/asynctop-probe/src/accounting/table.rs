//! The tasks of a registry as a table.

use std::fmt;

use super::Registry;
use asynctop_snapshot::text::{duration, short_source_path};

/// The measured futures of a [`Registry`] at one moment, busiest first. Printed as a table with a
/// line each.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// asynctop_probe::spawn_named("greeter", async {}).await.unwrap();
/// let table = asynctop_probe::Registry::global().table().to_string();
/// assert!(table.lines().any(|line| line.contains("greeter") && line.contains("completed")));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TaskTable {
    rows: Vec<[String; COLUMNS.len()]>,
}

/// The titles, and whether their column is aligned to the right.
const COLUMNS: [(&str, bool); 9] = [
    ("ID", true),
    ("STATE", false),
    ("NAME", false),
    ("POLLS", true),
    ("BUSY", true),
    ("SCHED", true),
    ("MAX POLL", true),
    ("STAGE", false),
    ("LOCATION", false),
];

impl Registry {
    /// All tasks, and futures measured with [`instrument`](super::instrument), that exist or have
    /// ended recently.
    pub fn table(&self) -> TaskTable {
        let mut rows = Vec::new();
        self.scan(self.now(), |task| {
            let (reading, location) = (&task.reading, task.location());
            let row = [
                task.id().to_string(),
                reading.state.as_str().to_owned(),
                task.name().to_owned(),
                reading.polls.to_string(),
                duration(reading.busy),
                duration(reading.scheduled),
                duration(reading.max_poll),
                task.stage.unwrap_or("–").to_owned(),
                format!("{}:{}", short_source_path(location.file()), location.line()),
            ];
            rows.push((reading.busy, row));
        });
        rows.sort_by_key(|(busy, _)| std::cmp::Reverse(*busy));
        TaskTable { rows: rows.into_iter().map(|(_, row)| row).collect() }
    }
}

impl fmt::Display for TaskTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = COLUMNS.map(|(title, _)| title.to_owned());
        let lines = || std::iter::once(&titles).chain(&self.rows);
        let width = |column: usize| lines().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..COLUMNS.len()).filter_map(width).collect();
        for row in lines() {
            let mut line = String::new();
            for ((text, width), (_, is_right)) in row.iter().zip(&widths).zip(COLUMNS) {
                line += &match is_right {
                    true => format!("{text:>width$}  "),
                    false => format!("{text:<width$}  "),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
