//! Platforms on which reading other processes is not supported.

use std::{io::Write, path::Path};

use anyhow::bail;

use crate::{
    report::TableFormat,
    source::{Program, ReadOptions},
};

const UNSUPPORTED: &str = "cannot read other processes: this requires Linux on x86_64";

/// Fails on this platform.
///
/// # Errors
/// Always.
pub fn list(_: TableFormat, _: &mut impl Write) -> anyhow::Result<()> {
    bail!(UNSUPPORTED)
}

/// Fails on this platform.
///
/// # Errors
/// Always.
pub fn tasks(_: &Program, _: TableFormat, _: &mut impl Write) -> anyhow::Result<()> {
    bail!(UNSUPPORTED)
}

/// Fails on this platform.
///
/// # Errors
/// Always.
pub fn dump(
    _: &Program,
    _: ReadOptions,
    _: bool,
    _: TableFormat,
    _: Option<&Path>,
    _: &mut impl Write,
) -> anyhow::Result<()> {
    bail!(UNSUPPORTED)
}
