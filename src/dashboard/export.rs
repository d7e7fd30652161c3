//! Writes the screen to files.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::SystemTime,
};

use crate::{
    app::{App, List},
    private_file,
    report::{Summary, csv, json},
};

/// Writes the rows of the screen as CSV, and the model as JSON, into a folder. Returns the names of the
/// files as a sentence.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write(app: &App, folder: &Path, now: SystemTime) -> io::Result<String> {
    if app.model().targets().is_empty() {
        return Ok("nothing to export before the first sample".to_owned());
    }
    let time = humantime::format_rfc3339_seconds(now).to_string().replace(['-', ':'], "");
    let name = format!("asynctop-{}-{time}", app.screen().spec.id.0);
    let json = format!("{name}.json");
    create(&folder.join(&json), |out| json::write(app.model(), &Summary::default(), out))?;
    let Some(rows) = rows(app) else { return Ok(format!("written: {json}")) };
    let csv = format!("{name}.csv");
    create(&folder.join(&csv), |out| csv::write_rows(app.model(), &rows, out))?;
    Ok(format!("written: {csv} and {json}"))
}

/// The rows of the screen; `None` if it is not a table.
fn rows(app: &App) -> Option<csv::Rows<'_>> {
    Some(match app.screen().spec.list {
        List::Tasks => csv::Rows::Tasks(app.task_rows()),
        List::Groups => csv::Rows::Groups(app.group_rows()),
        List::Resources => csv::Rows::Resources(app.resource_rows()),
        List::Findings => csv::Rows::Findings(app.findings()),
        List::Workers | List::Tracks => csv::Rows::Workers,
        List::Workloads => return None,
    })
}

/// Writes a new file, which only its owner can read: names and stacks of a program may be confidential.
/// An existing one is kept.
fn create(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(private_file::create(path)?);
    write(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::fixture::{S, Stage};

    #[test]
    fn screens_are_written_as_csv_and_json() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut stage = Stage::new();
        stage.hog(S);
        let titles = [
            ("1", "tasks", "conn-3"),
            ("2", "groups", "heartbeat"),
            ("3", "workers", "hog"),
            ("5", "findings", "worker-held"),
        ];
        for (key, name, part) in titles {
            stage.keys(key);
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            let names = write(&stage.app, folder.path(), time).expect("a sentence");
            let file = format!("asynctop-{name}-20231114T221320Z");
            assert_eq!(names, format!("written: {file}.csv and {file}.json"));
            let csv = fs::read_to_string(folder.path().join(format!("{file}.csv"))).expect(name);
            assert!(csv.contains(part), "{csv}");
            let json = fs::read_to_string(folder.path().join(format!("{file}.json"))).expect(name);
            assert!(json.contains("\"schema\": \"asynctop/2\""), "{json}");
            let again = write(&stage.app, folder.path(), time);
            assert_eq!(again.map_err(|e| e.kind()), Err(io::ErrorKind::AlreadyExists));
        }
    }

    #[test]
    fn rows_are_those_of_the_screen() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut stage = Stage::new();
        stage.keys("/heartbeat<Enter>");
        write(&stage.app, folder.path(), SystemTime::UNIX_EPOCH).expect("a sentence");
        let file = folder.path().join("asynctop-tasks-19700101T000000Z.csv");
        let csv = fs::read_to_string(file).expect("the file");
        assert_eq!(csv.lines().count(), 1 + 6, "{csv}");
    }
}
