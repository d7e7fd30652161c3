//! Platforms on which reading other processes has not been verified.

use std::sync::Arc;

use super::{Program, ReadOptions};
use crate::{launch::Launched, source::Source};

/// The reason why a program cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot read other processes: this works on Linux on x86_64 only")]
pub struct ProcessError;

/// Fails on this platform.
///
/// # Errors
/// Always.
pub fn open(_: &[Program], _: ReadOptions) -> Result<Vec<Box<dyn Source>>, ProcessError> {
    Err(ProcessError)
}

/// Fails on this platform.
///
/// # Errors
/// Always.
pub fn launched(_: Arc<Launched>, _: ReadOptions) -> Result<Box<dyn Source>, ProcessError> {
    Err(ProcessError)
}

/// Fails on this platform.
///
/// # Errors
/// Always.
pub fn find(_: &Program) -> Result<u32, ProcessError> {
    Err(ProcessError)
}
