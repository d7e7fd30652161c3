//! Builds the fixture programs of asynctop-inspect.

use std::path::PathBuf;

use super::Folder;
use crate::build::{cargo, execute};

const MANIFEST: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/asynctop-inspect/fixtures/Cargo.toml");

impl Folder {
    /// A fixture, optimized and with line tables.
    pub fn fixture(&self, name: &str) -> anyhow::Result<PathBuf> {
        self.build_fixture(name, "release", None)
    }

    /// A fixture, stripped and built for this target.
    pub(super) fn stripped_fixture(&self, name: &str, target: &str) -> anyhow::Result<PathBuf> {
        self.build_fixture(name, "small", Some(target))
    }

    fn build_fixture(
        &self,
        name: &str,
        profile: &str,
        target: Option<&str>,
    ) -> anyhow::Result<PathBuf> {
        let folder = self.path("fixtures");
        let mut build = cargo(&folder, "");
        build.args(["build", "--quiet", "--locked", "--manifest-path", MANIFEST, "--bin", name]);
        build.args(["--profile", profile]).args(target.map(|target| format!("--target={target}")));
        execute(&mut build)?;
        Ok(folder.join(target.unwrap_or_default()).join(profile).join(name))
    }
}
