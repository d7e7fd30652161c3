//! Opens a source line in the user's editor.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{app::SourceLine, term};

/// Editors that take `FILE:LINE`, with the options that make it a line and wait for the end. All others
/// take `+LINE FILE`.
const WITH_COLON: [(&str, &[&str]); 7] = [
    ("code", &["--wait", "--goto"]),
    ("code-insiders", &["--wait", "--goto"]),
    ("codium", &["--wait", "--goto"]),
    ("cursor", &["--wait", "--goto"]),
    ("subl", &["--wait"]),
    ("zed", &["--wait"]),
    ("hx", &[]),
];

/// Opens a line of the program of process `pid`, or of this program. `report` gets a sentence once the
/// editor has ended.
///
/// # Errors
/// A sentence about what is missing.
pub(super) fn open(
    line: &SourceLine,
    pid: Option<u32>,
    report: impl FnOnce(Option<String>) + Send + 'static,
) -> Result<(), String> {
    let exe = exe(pid);
    let folders = folders(pid, exe.as_deref());
    let file = resolve(&line.file, &folders).ok_or_else(|| {
        format!("cannot find {}: start asynctop in the folder of the program's source", line.file)
    })?;
    let is_newer = exe.is_some_and(|exe| is_newer(&file, &exe));
    let editor = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| env::var(name).ok());
    let editor = editor.map(|editor| editor.trim().to_owned()).find(|editor| !editor.is_empty());
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let name = editor.clone();
    let place = format!("{}:{}", file.display(), line.line);
    let started = term::run_in_foreground(&mut command(&editor, &file, line.line), move |status| {
        report(match status {
            Err(error) => Some(format!("cannot take the terminal back: {error}")),
            Ok(status) if status.exit_status() == Some(127) => {
                Some(format!("cannot start {name}: set $EDITOR to your editor"))
            }
            Ok(status) if status.exit_status() != Some(0) => Some(format!("{name} has failed")),
            Ok(_) if is_newer => {
                Some(format!("{place} is newer than the program: its lines may have moved"))
            }
            Ok(_) => None,
        });
    });
    started.map_err(|error| format!("cannot start {editor}: {error}"))
}

/// Whether the file of a line is newer than the program of process `pid`, or than this program. A file
/// that is not found is not.
pub(super) fn is_source_newer(line: &SourceLine, pid: Option<u32>) -> bool {
    let exe = exe(pid);
    let file = resolve(&line.file, &folders(pid, exe.as_deref()));
    file.zip(exe).is_some_and(|(file, exe)| is_newer(&file, &exe))
}

fn exe(pid: Option<u32>) -> Option<PathBuf> {
    pid.map_or_else(env::current_exe, |pid| fs::read_link(format!("/proc/{pid}/exe"))).ok()
}

/// The command of an editor, which may have options: `emacs -nw`.
fn command(editor: &str, file: &Path, line: u32) -> Command {
    let program = editor.split_whitespace().next().unwrap_or_default();
    let program = Path::new(program).file_name().and_then(|name| name.to_str());
    let with_colon = WITH_COLON.iter().find(|(name, _)| Some(*name) == program);
    let mut command = Command::new("sh");
    // The shell splits the options, as git does it.
    command.args(["-c", &format!("{editor} \"$@\""), "asynctop"]);
    match with_colon {
        Some((_, options)) => {
            let mut place = file.as_os_str().to_owned();
            place.push(format!(":{line}"));
            command.args(*options).arg(place)
        }
        None => command.arg(format!("+{line}")).arg(file),
    };
    command
}

/// The folders that the path of a source file may start from: the current one, that of the process, and
/// those above the executable.
fn folders(pid: Option<u32>, exe: Option<&Path>) -> Vec<PathBuf> {
    let of_process = pid.and_then(|pid| fs::read_link(format!("/proc/{pid}/cwd")).ok());
    let above = exe.into_iter().flat_map(Path::ancestors).skip(1).map(Path::to_owned);
    env::current_dir().ok().into_iter().chain(of_process).chain(above).collect()
}

/// The file of this path.
fn resolve(file: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    // An absolute path stays the same.
    folders.iter().map(|folder| folder.join(file)).find(|file| file.is_file())
}

fn is_newer(file: &Path, program: &Path) -> bool {
    let modified = |path: &Path| -> io::Result<_> { fs::metadata(path)?.modified() };
    modified(file).ok().zip(modified(program).ok()).is_some_and(|(file, program)| file > program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(editor: &str) -> Vec<String> {
        let command = command(editor, Path::new("src/main.rs"), 7);
        command.get_args().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn editors_get_the_line_in_their_own_form() {
        let sh = |line: &str| [line.to_owned(), "asynctop".to_owned()];
        let vi = [&sh("emacs -nw \"$@\"")[..], &["+7".into(), "src/main.rs".into()]].concat();
        assert_eq!(args("emacs -nw"), vi);
        let hx = [&sh("/usr/bin/hx \"$@\"")[..], &["src/main.rs:7".into()]].concat();
        assert_eq!(args("/usr/bin/hx"), hx);
        assert!(args("code").ends_with(&[
            "--wait".into(),
            "--goto".into(),
            "src/main.rs:7".into()
        ]));
    }

    #[test]
    fn file_is_found_above_the_executable() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = folders(None, Some(&root.join("target/debug/asynctop")));
        assert_eq!(resolve("src/term/mod.rs", &folders), Some(root.join("src/term/mod.rs")));
        let absolute = root.join("src/lib.rs");
        assert_eq!(resolve(&absolute.to_string_lossy(), &folders), Some(absolute));
        assert_eq!(resolve("src/no-such-file.rs", &folders), None);
    }
}
