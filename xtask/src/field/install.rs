//! Installs programs from the registries of Rust, Python and Node, once.

use std::{ffi::OsStr, path::PathBuf, process::Command};

use anyhow::Context;

use super::Folder;
use crate::build::{cargo, execute};

impl Folder {
    /// A program from the registry of Rust, with the versions of its dependencies that it was
    /// published with, or the latest ones.
    pub(super) fn cargo(
        &self,
        name: &str,
        version: &str,
        program: &str,
        is_locked: bool,
        options: &[&str],
    ) -> anyhow::Result<PathBuf> {
        let dependencies = if is_locked { "" } else { "-latest" };
        let root = self.path(&format!("{name}-{version}{dependencies}"));
        let program = root.join("bin").join(program);
        if !program.exists() {
            let mut install = cargo(&self.path("build"), "");
            install.args(["install", name, "--version", version]).args(options);
            install.args(is_locked.then_some("--locked"));
            execute(install.arg("--root").arg(root))?;
        }
        Ok(program)
    }

    /// The folder with the programs of a Python environment that has these packages.
    pub(super) fn python(&self, name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
        let root = self.path(name);
        let programs = root.join("bin");
        let done = root.join("installed");
        if !done.exists() {
            execute(Command::new("python3").args(["-m", "venv"]).arg(&root))?;
            if !packages.is_empty() {
                execute(Command::new(programs.join("pip")).args(["install", "-q"]).args(packages))?;
            }
            std::fs::write(done, "")?;
        }
        Ok(programs)
    }

    /// The file `path` of a Python package for static musl programs.
    pub(super) fn musl_wheel(&self, package: &str, path: &str) -> anyhow::Result<PathBuf> {
        let root = self.path(&format!("{package}-musl"));
        let file = root.join(path);
        if !file.exists() {
            let pip = self.python("pip", &[])?.join("pip");
            let mut download = Command::new(&pip);
            download.args(["download", "-q", "--no-deps", "--only-binary=:all:"]);
            download.args(["--platform", "musllinux_1_1_x86_64", "--python-version", "3.11"]);
            execute(download.arg("--dest").arg(&root).arg(package))?;
            let is_wheel = |file: &PathBuf| file.extension() == Some(OsStr::new("whl"));
            let mut files = std::fs::read_dir(&root)?.filter_map(|entry| Some(entry.ok()?.path()));
            let wheel = files.find(is_wheel).context("no wheel was downloaded")?;
            let mut unpack = Command::new(pip.with_file_name("python3"));
            execute(unpack.args(["-m", "zipfile", "-e"]).arg(wheel).arg(&root))?;
            execute(Command::new("chmod").arg("+x").arg(&file))?;
        }
        Ok(file)
    }

    /// The file `path` below the modules of a Node package.
    pub(super) fn npm(&self, package: &str, path: &str) -> anyhow::Result<PathBuf> {
        let root = self.path("node");
        let file = root.join("node_modules").join(path);
        if !file.exists() {
            std::fs::create_dir_all(&root)?;
            let mut install = Command::new("npm");
            install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", package]);
            execute(install.arg("--prefix").arg(root))?;
        }
        Ok(file)
    }
}
