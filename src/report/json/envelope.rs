//! The envelope that all JSON documents share.

use std::time::SystemTime;

use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Envelope<T> {
    schema: &'static str,
    /// UTC, ISO 8601.
    time: String,
    #[serde(flatten)]
    content: T,
}

impl<T> Envelope<T> {
    pub(crate) fn new(time: SystemTime, content: T) -> Self {
        let time = humantime::format_rfc3339_millis(time).to_string();
        Envelope { schema: "asynctop/2", time, content }
    }
}
