//! A running program, and a run of asynctop that reads it.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::support::{self, Folder, NO_CONFIG};

/// A lab that writes a document to `log` every 100 ms.
pub const LAB: &str =
    "\"$0\" lab mixed --headless --for 10m --format jsonl --interval 100ms > log 2> errors";

/// A running program and the output of an inspection, in a separate directory.
pub struct Case {
    pub folder: Folder,
}

impl Case {
    pub fn new(name: &str) -> Case {
        Case { folder: Folder::new(name) }
    }

    /// A lab, inspected while it runs.
    pub fn lab(&self, args: &str) -> (String, Output) {
        self.inspect(LAB, "[ \"$(wc -l < log)\" -gt 2 ]", args)
    }

    /// Starts `program` in a shell, which then becomes `asynctop ARGS` with the program's process
    /// ID for `$PID`: a process may read its children, whatever Yama allows otherwise.
    pub fn inspect(&self, program: &str, is_ready: &str, args: &str) -> (String, Output) {
        let script = format!(
            ": > log; {program} & PID=$!; echo $PID > pid; until {is_ready}; do sleep 0.05; done
             exec \"$0\" {args}"
        );
        self.finish(&script)
    }

    /// Runs a script that writes the process id of the program to `pid`, and ends the program.
    fn finish(&self, script: &str) -> (String, Output) {
        let mut shell = Command::new("sh");
        let shell = shell
            .env("XDG_CONFIG_HOME", NO_CONFIG)
            .args(["-c", script])
            .arg(support::program().get_program());
        let output = shell.current_dir(&*self.folder).output().unwrap();
        let pid = self.read("pid").trim().to_owned();
        // `kill` fails if the program has already ended.
        Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status().unwrap();
        (pid, output)
    }

    /// Like [`Case::lab`], but asynctop runs as the user nobody.
    pub fn as_nobody(&self, args: &str) -> (String, Output) {
        let program = self.folder.join("asynctop");
        fs::copy(support::program().get_program(), &program).unwrap();
        let permissions = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&*self.folder, permissions.clone()).unwrap();
        fs::set_permissions(&program, permissions).unwrap();
        let script = format!(
            ": > log; {LAB} & PID=$!; echo $PID > pid; until [ \"$(wc -l < log)\" -gt 2 ]; do sleep 0.05; done
             exec setpriv --reuid=65534 --regid=65534 --clear-groups ./asynctop {args}"
        );
        self.finish(&script)
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// Tasks that were alive, as the lab reports them.
    pub fn alive(&self) -> usize {
        let log = self.read("log");
        let last = support::only_target(log.lines().nth(2).unwrap());
        let tasks = last["tasks"].as_array().unwrap().iter();
        let ended = ["completed", "cancelled", "panicked", "ended"];
        tasks.filter(|task| !ended.contains(&task["state"].as_str().unwrap())).count()
    }
}

/// The reports that a run appends to a file. Each one is parsed once: parsing takes the CPU that the
/// run and its target need.
pub struct Reports {
    file: PathBuf,
    read: u64,
}

impl Reports {
    pub fn of(file: PathBuf) -> Reports {
        Reports { file, read: 0 }
    }

    /// The target of each report that is complete since the last call.
    pub fn new_targets(&mut self) -> Vec<Value> {
        let mut new = Vec::new();
        if let Ok(mut file) = File::open(&self.file) {
            file.seek(SeekFrom::Start(self.read)).unwrap();
            file.read_to_end(&mut new).unwrap();
        }
        let end = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.read += end as u64;
        text(&new[..end]).lines().map(support::only_target).collect()
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
