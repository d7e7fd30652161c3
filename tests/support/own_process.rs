//! Tests that run in their own process.

use std::{any::type_name, env, process::Command};

/// The name of the test that this process runs on behalf of another one.
const TEST: &str = "ASYNCTOP_TEST_IN_OWN_PROCESS";

/// Runs `test` in its own process, because it changes or fills up state of the process. `test` must
/// be a closure in the test function itself: its type name contains the name of the test.
///
/// # Panics
/// If the test fails in that process.
#[track_caller]
pub fn in_own_process<F: FnOnce()>(test: F) {
    let Some(mut process) = own_process(test) else { return };
    let output = process.output().unwrap();
    let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}:\n{out}\n{errors}", output.status);
    assert!(out.contains("1 passed"), "the test was not found:\n{out}");
}

/// Same as [`in_own_process`] for a test that checks how the process ends: returns the command that
/// starts the process. In that process, runs `test` and returns `None`.
pub fn own_process<F: FnOnce()>(test: F) -> Option<Command> {
    // `binary::module::test::{{closure}}`
    let (_, path) = type_name::<F>().split_once("::").unwrap();
    let name = path.strip_suffix("::{{closure}}").unwrap();
    if env::var_os(TEST).is_some_and(|test| test == name) {
        test();
        return None;
    }
    let mut process = Command::new(env::current_exe().unwrap());
    process.args([name, "--exact", "--nocapture"]).env(TEST, name);
    Some(process)
}
