//! Programs that cannot be watched: one sentence on stderr, and exit code 2.

use std::{fs, path::Path};

use crate::{
    case::Case,
    support::{error_of, run},
};

#[test]
fn missing_program_is_an_error() {
    for (program, sentence) in [
        ("4194999", "error: no process has the id 4194999\n"),
        (
            "no-such-program",
            "error: no process is named no-such-program; `asynctop ps` lists the Tokio programs of \
             this machine\n",
        ),
    ] {
        assert_eq!(error_of(&run(&["-p", program, "--headless"])), sentence);
        assert_eq!(error_of(&run(&["attach", &format!("pid:{program}")])), sentence);
        assert_eq!(error_of(&run(&["dump", program])), sentence);
        assert_eq!(error_of(&run(&["ps", program])), sentence);
    }
}

#[test]
fn program_without_tokio_is_an_error() {
    let case = Case::new("no-tokio");
    // Until it calls `exec`, the process is a copy of the shell.
    let is_ready = "tr '\\n' ' ' < /proc/$PID/status | grep -q '^Name:.sleep .*State:.S'";
    let (pid, output) = case.inspect("sleep 600 > log 2> errors", is_ready, "-p $PID --headless");
    let error = error_of(&output);
    let expected = format!("process {pid} (sleep) is not a Tokio program that can be read: ");
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn name_of_several_programs_is_an_error() {
    let case = Case::new("twins");
    let name = format!("twins-{}", std::process::id());
    let sleep = ["/bin/sleep", "/usr/bin/sleep"].iter().find(|path| Path::new(path).exists());
    fs::copy(sleep.unwrap(), case.folder.join(&name)).unwrap();
    let both = format!(
        "(./{name} 20 & echo $! > other; wait) > log 2> errors & ./{name} 20 > log 2> errors"
    );
    let is_ready = format!(
        "[ \"$(cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\\0' '\\n' | grep -c '^./{name}$')\" = 2 ]"
    );
    let (pid, output) = case.inspect(&both, &is_ready, &format!("-p {name} --headless"));
    let other = case.read("other");
    let error = error_of(&output);
    assert!(error.contains(&format!("several programs are named {name}: ")), "{error}");
    for pid in [pid.as_str(), other.trim()] {
        assert!(error.contains(pid), "{pid}: {error}");
    }
    assert!(error.contains("; choose one by its process ID"), "{error}");
}

#[test]
fn program_of_another_user_is_an_error() {
    // Root becomes nobody; everybody else tries a process of root.
    let case = Case::new("rights");
    let args = "-p $PID --headless";
    let output = match rustix::process::geteuid().is_root() {
        true => {
            let (pid, output) = case.as_nobody(args);
            let error = error_of(&output);
            assert!(error.contains(&format!("memory of process {pid}")), "{error}");
            output
        }
        false => run(&["-p", "1", "--headless"]),
    };
    let error = error_of(&output);
    assert!(error.contains("it belongs to user 0, this is user "), "{error}");
    assert!(error.contains("; run: sudo /"), "{error}");
}

#[test]
fn contradictory_command_line_is_an_error() {
    for (args, sentence) in [
        (&["-p", "0"][..], "it is neither a process ID nor the name of a program"),
        (&["-p", "1", "--hog", "spin"], "--hog applies only to the lab"),
        (&["-p", "1", "lab"], "-p watches a running program instead of the lab"),
        (&["-p", "1", "ps"], "flags before this command apply only to `lab`"),
        (&["--no-stop"], "--no-stop applies to a program that is watched by its process ID"),
        (&["--realtime"], "--realtime applies to a program that is watched by its process ID"),
        (&["attach", "pid:0"], "it is neither a process ID nor the name of a program"),
        (&["dump"], "the following required arguments were not provided: <PID|NAME>"),
        (
            &["dump", "1", "-p", "1"],
            "the argument '[PID|NAME]' cannot be used with '--pid <PID|NAME>'",
        ),
    ] {
        let error = error_of(&run(args));
        assert!(error.contains(sentence), "{args:?}: {error}");
    }
}

#[test]
fn unsupported_rule_and_repeated_program_are_errors() {
    let case = Case::new("rules");
    let (_, output) = case.lab("-p $PID --headless --fail-on any --fail-on task-panicked");
    let error = error_of(&output);
    assert!(error.contains("task-panicked can never fire here: it needs `"), "{error}");
    let (_, output) = case.lab("-p $PID --headless --fail-on worker-held=20ms");
    let expected =
        "worker-held=20ms cannot be checked here: polls shorter than 100ms are not observed";
    assert!(error_of(&output).contains(expected), "{}", error_of(&output));
    let (pid, output) = case.lab("-p $PID -p $PID --headless");
    let expected = format!("process {pid} is given twice; give each target once");
    assert!(error_of(&output).contains(&expected), "{}", error_of(&output));
}
