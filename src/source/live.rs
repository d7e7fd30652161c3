//! The runtime in this process.

use super::Source;
use crate::model::{Interest, Snapshot};

/// Looks at a registry and at a Tokio runtime of this process.
pub struct LiveSource {}

impl Source for LiveSource {
    fn snapshot(&mut self, _interest: &Interest) -> Snapshot {
        unimplemented!()
    }
}
