//! Platforms on which reading other processes is not supported.

use std::{io::Write, path::Path};

use anyhow::bail;

const UNSUPPORTED: &str = "cannot read other processes: this requires Linux on x86_64";

/// Fails on this platform.
///
/// # Errors
/// Always.
pub fn list(_: &mut impl Write) -> anyhow::Result<()> {
    bail!(UNSUPPORTED)
}

/// Fails on this platform.
///
/// # Errors
/// Always.
pub fn dump(_: u32, _: bool, _: Option<&Path>, _: &mut impl Write) -> anyhow::Result<()> {
    bail!(UNSUPPORTED)
}
