//! The gate of the examples: it has the exit codes that its comment states.

use std::{env, path::Path, process::Command};

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
    for (address, code) in [(healthy.address(), 0), (blocked.address(), 1), (missing, 2)] {
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ci_gate.sh"))
            .args(["sleep", "600"])
            .envs([("PATH", &*path), ("ADDR", &*address), ("FOR", "2s")])
            .env("XDG_CONFIG_HOME", NO_CONFIG)
            .current_dir(&*folder)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{address}: {error}");
    }
}
