//! A lab in a process of its own, observed by its process ID.

use std::{fs, path::Path, time::Duration};

use anyhow::Context;
use asynctop::{
    snapshot::Subscription,
    source::{Program, ReadOptions, process, sample_all},
};

use super::cases::{Case, Outcome};
use crate::{build::target_folder, field::wait_for, terminal::Terminal};

/// Starts a lab, with its hog, on a screen of its own.
fn start(case: &Case, program: &Path) -> anyhow::Result<Terminal> {
    let scenario = target_folder("score")?.join("case.toml");
    fs::write(&scenario, &case.text)?;
    let mut args = vec!["lab", scenario.to_str().context("the folder is not UTF-8")?];
    if let Some(kind) = case.hog {
        args.extend(["--hog", kind.as_str(), "--hog-hold", "1s"]);
    }
    Terminal::start(program, &args, (120, 36))
}

/// The findings about a case in a process of its own, after `time`.
///
/// # Errors
/// If the program cannot be started or observed.
pub(super) fn observe(case: &Case, program: &Path, time: Duration) -> anyhow::Result<Outcome> {
    let lab = start(case, program)?;
    let programs = [Program::Id(lab.pid().context("the lab has ended")?)];
    let open = || process::open(&programs, ReadOptions::default()).ok();
    let mut sources = wait_for(open).context("the lab has no runtime")?;
    let subscription = Subscription::default();
    let sample = || sample_all(&mut sources, &subscription);
    Ok(case.observe((time, time), is_named, |_| true, sample))
}

/// Whether a group is in the module of a culprit. A program that is observed by its process ID has
/// groups that are named after a future or its line.
fn is_named(group: &str, culprit: &str) -> bool {
    let after = |(at, _): (usize, &str)| &group[at + culprit.len()..];
    let mut rest = group.match_indices(culprit).map(after);
    group == culprit || rest.any(|rest| ["::", "/", ".rs:"].iter().any(|it| rest.starts_with(it)))
}
