//! Builds programs outside of this workspace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

/// The source of a program that uses only what every supported version of Tokio has.
pub const ANY_VERSION: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/asynctop-inspect/fixtures/src/bin/any_version.rs"
);

/// `target/NAME` of this workspace, which is created.
///
/// # Errors
/// If it cannot be created.
pub fn target_folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.canonicalize()?)
}

/// Runs a command to its end. The error has the last line that it wrote.
///
/// # Errors
/// If it cannot be started or fails.
pub fn execute(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    let written = String::from_utf8_lossy(&output.stderr);
    let last = written.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    ensure!(output.status.success(), "{name}: {}: {last}", output.status);
    Ok(())
}

/// `cargo` with these flags of the compiler instead of those of this workspace.
pub fn cargo(target: &Path, flags: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", flags);
    cargo.env("CARGO_TARGET_DIR", target);
    cargo
}

/// How [`ANY_VERSION`] is built.
#[derive(Clone, Copy)]
pub struct Build {
    /// The name in tables.
    pub name: &'static str,
    /// `dev` or `release`.
    pub profile: &'static str,
    /// The lines of this profile.
    pub settings: &'static str,
    /// The flags of the compiler.
    pub flags: &'static str,
    /// The target if it is not that of this machine.
    pub target: Option<&'static str>,
    /// A shared library with a function `start` instead of a program.
    pub is_library: bool,
}

impl Build {
    /// Builds [`ANY_VERSION`] with this version of Tokio in `folder`. Returns the path of the file.
    ///
    /// # Errors
    /// If it does not build.
    pub fn any_version(&self, folder: &Path, version: &str) -> anyhow::Result<PathBuf> {
        let name: String = self.name.chars().filter(char::is_ascii_alphanumeric).collect();
        let project = folder.join(format!("{version}-{name}"));
        fs::create_dir_all(&project)?;
        let Build { profile, settings, .. } = self;
        let kind = match self.is_library {
            true => {
                "[lib]\nname = \"any\"\npath = \"lib.rs\"\ncrate-type = [\"cdylib\"]".to_owned()
            }
            false => format!("[[bin]]\nname = \"any\"\npath = {ANY_VERSION:?}"),
        };
        let manifest = format!(
            "[workspace]\n[package]\nname = \"any\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
             {kind}\n[dependencies.tokio]\nversion = \"={version}\"\n\
             features = [\"rt-multi-thread\", \"sync\", \"time\"]\n[profile.{profile}]\n{settings}\n"
        );
        fs::write(project.join("Cargo.toml"), manifest)?;
        let library = format!(
            "#[path = {ANY_VERSION:?}]\nmod any_version;\n#[no_mangle]\n\
             pub extern \"C\" fn start() {{ std::thread::spawn(any_version::main); }}\n"
        );
        fs::write(project.join("lib.rs"), library)?;
        let target = project.join("target");
        let mut build = cargo(&target, self.flags);
        build.args(["build", "--quiet", "--profile", profile]).current_dir(&project);
        execute(build.args(self.target.map(|target| format!("--target={target}"))))?;
        let folder = if *profile == "dev" { "debug" } else { profile };
        let file = if self.is_library { "libany.so" } else { "any" };
        Ok(target.join(self.target.unwrap_or_default()).join(folder).join(file))
    }
}
