//! JSON reports.

use serde_json::Value;

/// Checks the envelope of a JSON document and returns its only target.
pub fn only_target(document: &str) -> Value {
    let mut document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["schema"], "asynctop/2");
    let time = document["time"].as_str().unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    let targets = document["targets"].as_array_mut().unwrap();
    assert_eq!(targets.len(), 1);
    targets[0].take()
}
