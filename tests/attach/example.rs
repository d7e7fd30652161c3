//! The gate of the examples: it has the exit codes that its comment states.

use std::{
    env,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{
    S,
    server::ConsoleServer,
    support::{Folder, NO_CONFIG},
    update,
};

#[test]
fn ci_gate_has_the_exit_code_of_asynctop() {
    let folder = Folder::new("ci-gate");
    let healthy = ConsoleServer::start(update([(1, "conn-1", None)]));
    let blocked = ConsoleServer::start(update([(1, "hog", Some(60 * S))]));
    let missing = format!("unix:{}", folder.join("missing").display());
    let programs = Path::new(env!("CARGO_BIN_EXE_asynctop")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), env::var("PATH").unwrap());
    let run = |address: String| {
        Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ci_gate.sh"))
            .args(["sleep", "600"])
            .envs([("PATH", &*path), ("ADDR", &*address), ("FOR", "2s")])
            .env("XDG_CONFIG_HOME", NO_CONFIG)
            .current_dir(&*folder)
            .output()
            .unwrap()
    };
    // Without updates, a target is stale after two seconds.
    let is_done = AtomicBool::new(false);
    let outputs = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                [&healthy, &blocked].iter().for_each(|server| server.send(&update([])));
                thread::sleep(Duration::from_millis(100));
            }
        });
        let outputs = [healthy.address(), blocked.address(), missing].map(run);
        is_done.store(true, Ordering::Relaxed);
        outputs
    });
    for (output, code) in outputs.iter().zip([0, 1, 2]) {
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
    }
}
