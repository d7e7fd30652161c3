//! TOML files of the user: scenarios and the configuration.

use asynctop::config::Config;
use asynctop_lab::Scenario;

use super::bytes::Bytes;

/// Parts of valid files, to get beyond the first key.
const PARTS: [&str; 24] = [
    "[[workload]]\n",
    "[runtime]\n",
    "[hog]\n",
    "[lab]\n",
    "[thresholds]\n",
    "[lesson]\n",
    "kind",
    "count",
    "every",
    "name",
    "flavor",
    "workers",
    "hold",
    "interval",
    "leak",
    " = ",
    "'heartbeats'",
    "'multi-thread'",
    "'10ms'",
    "12",
    "true",
    "{",
    "]",
    "\n",
];

/// Reads the bytes as a scenario.
pub fn scenario(data: &[u8]) -> usize {
    let text = document(data);
    match Scenario::parse("fuzz", "fuzz.toml", &text) {
        Ok(scenario) => 1 + scenario.workloads.len(),
        Err(error) => {
            super::assert_is_sentence(&error.to_string());
            0
        }
    }
}

/// Reads the bytes as a configuration.
pub fn config(data: &[u8]) -> usize {
    match Config::parse("fuzz.toml", &document(data)) {
        Ok(_) => 1,
        Err(error) => {
            super::assert_is_sentence(&error.to_string());
            0
        }
    }
}

/// Plain text, or, after a 0, a sequence of parts with text among them.
fn document(data: &[u8]) -> String {
    let [0, data @ ..] = data else { return String::from_utf8_lossy(data).into_owned() };
    let (mut bytes, mut text) = (Bytes(data), String::new());
    while !bytes.is_empty() {
        match PARTS.get(bytes.below(26) as usize) {
            Some(part) => text.push_str(part),
            None => text.push_str(&String::from_utf8_lossy(bytes.take(3))),
        }
    }
    text
}
