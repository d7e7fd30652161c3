//! Tests in a process of their own.

use std::{any::type_name, env, process::Command};

/// Names the test that a process runs for another one.
const TEST: &str = "ASYNCTOP_TEST_OF_THIS_PROCESS";

/// Runs `test` in a process of its own, because it changes or fills up what all tests of a process
/// share. `test` is a closure in the test function itself: its name leads to the test.
///
/// # Panics
/// If the test fails there.
#[track_caller]
pub fn in_own_process<F: FnOnce()>(test: F) {
    let Some(mut process) = own_process(test) else { return };
    let output = process.output().unwrap();
    let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}:\n{out}\n{errors}", output.status);
    assert!(out.contains("1 passed"), "the test was not found:\n{out}");
}

/// The same for a test that looks itself at how its process ends: returns how to start the
/// process, or `None` in the process, after `test`.
pub fn own_process<F: FnOnce()>(test: F) -> Option<Command> {
    // `binary::module::test::{{closure}}`
    let (_, path) = type_name::<F>().split_once("::").unwrap();
    let name = path.strip_suffix("::{{closure}}").unwrap();
    if env::var_os(TEST).is_some_and(|of_this| of_this == name) {
        test();
        return None;
    }
    let mut process = Command::new(env::current_exe().unwrap());
    process.args([name, "--exact", "--nocapture"]).env(TEST, name);
    Some(process)
}
