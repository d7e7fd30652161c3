//! Platforms on which reading other processes has not been verified.

use std::{io::Write, path::Path};

use anyhow::bail;

const UNSUPPORTED: &str = "cannot read other processes: this works on Linux on x86_64 only";

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
