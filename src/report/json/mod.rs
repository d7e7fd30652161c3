//! One versioned JSON document.
//!
//! The fields are described in `docs/json.md`, which is included here.
//!
//! ```
//! use asynctop_lab::{Lab, LabOptions, LabSampler, Scenario};
//! use asynctop::{model::Model, report::{Summary, json}, snapshot::Subscription};
//!
//! let lab = Lab::start(LabOptions::new(Scenario::built_in("mixed")?))?;
//! let mut model = Model::default();
//! model.advance(&LabSampler::new(&lab).sample(&Subscription::default()).into());
//!
//! let mut document = Vec::new();
//! json::write(&model, &Summary::default(), &mut document)?;
//! let document: serde_json::Value = serde_json::from_slice(&document)?;
//! assert_eq!(document["schema"], "asynctop/2");
//! for task in document["targets"][0]["tasks"].as_array().unwrap() {
//!     let ns = |name: &str| task[name].as_u64().unwrap();
//!     assert_eq!(ns("lifetime_ns"), ns("busy_ns") + ns("scheduled_ns") + ns("idle_ns"));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = include_str!("../../../docs/json.md")]

mod document;
mod envelope;
pub(super) mod findings;
mod lab;
mod machine;

use std::io::{self, Write};

use self::document::Document;
pub(crate) use self::envelope::Envelope;
use super::Summary;
use crate::model::Model;

/// Writes the document, indented; nothing before the first snapshot.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(model: &Model, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let Some(document) = Document::of(model, summary) else { return Ok(()) };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// Writes the document in a single line (JSON Lines).
///
/// # Errors
/// If `out` cannot be written.
pub fn write_line(model: &Model, summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let Some(document) = Document::of(model, summary) else { return Ok(()) };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::{
        model::testing::{snapshot, task},
        report::testing,
        snapshot::{Accuracy, Connection, FieldId},
    };

    fn written(model: &Model, summary: &Summary) -> String {
        let mut out = Vec::new();
        write(model, summary, &mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    /// The target of a run with this accuracy of a field.
    fn target_with(field: FieldId, accuracy: &Accuracy) -> Value {
        let (model, summary) = testing::described(|known| known.with(field, accuracy.clone()));
        parse(&written(&model, &summary))["targets"][0].take()
    }

    /// The values of a path, one for each row. Panics if a row does not have the field.
    fn values<'a>(target: &'a Value, path: &str) -> Vec<&'a Value> {
        path.split('.').fold(vec![target], |values, name| {
            let rows = values.into_iter().flat_map(|value| match value {
                Value::Array(rows) => rows.iter().collect(),
                row => vec![row],
            });
            rows.map(|row| row.get(name).unwrap_or_else(|| panic!("no {path}: {row:#}"))).collect()
        })
    }

    fn paths<'a>(target: &'a Value, list: &str) -> Vec<&'a str> {
        target[list].as_object().expect(list).keys().map(String::as_str).collect()
    }

    #[test]
    fn document_follows_the_schema() {
        let (model, summary) = testing::fixed();
        insta::assert_snapshot!(written(&model, &summary));
    }

    #[test]
    fn every_field_is_described_in_the_documents() {
        let page = include_str!("../../../docs/json.md");
        let (model, summary) = testing::fixed();
        let missing: Vec<_> = fields(&parse(&written(&model, &summary)), &mut BTreeSet::new())
            .iter()
            .filter(|name| !page.contains(&format!("`{name}`")))
            .cloned()
            .collect();
        assert!(missing.is_empty(), "docs/json.md needs: {missing:?}");
    }

    /// The names of all fields below this value. The names of some maps are data.
    fn fields<'a>(value: &Value, names: &'a mut BTreeSet<String>) -> &'a BTreeSet<String> {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    names.insert(name.clone());
                    if !["unavailable", "accuracy", "modes", "gauges"].contains(&&**name) {
                        fields(value, names);
                    }
                }
            }
            Value::Array(rows) => rows.iter().for_each(|row| {
                fields(row, names);
            }),
            _ => {}
        }
        names
    }

    #[test]
    fn line_and_document_are_equal() {
        let (model, summary) = testing::fixed();
        let mut line = Vec::new();
        write_line(&model, &summary, &mut line).expect("a Vec takes everything");
        let line = String::from_utf8(line).expect("JSON is UTF-8");
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(parse(&line), parse(&written(&model, &summary)));
    }

    #[test]
    fn nothing_is_written_before_the_first_snapshot() {
        assert_eq!(written(&Model::default(), &Summary::default()), "");
    }

    #[test]
    fn unavailable_value_is_null_in_every_row() {
        let mut without_a_path = Vec::new();
        for field in FieldId::ALL {
            let target = target_with(field, &Accuracy::unavailable("off"));
            let stated = paths(&target, "unavailable");
            if stated.contains(&field.path()) {
                let values = values(&target, field.path());
                assert!(values.iter().all(|value| value.is_null()), "{field}: {values:?}");
                assert!(!values.is_empty(), "{field}");
                assert_eq!(target["unavailable"][field.path()], "off");
            } else {
                without_a_path.push(field);
            }
            stated.iter().for_each(|path| assert!(!values(&target, path).is_empty(), "{path}"));
        }
        use FieldId::{AwaitPoint, Distributions, LongPolls, Panics, Timeline};
        let expected = [Timeline, LongPolls, AwaitPoint, Panics, Distributions];
        assert_eq!(without_a_path, expected);
    }

    #[test]
    fn rates_are_null_without_a_connection() {
        let mut model = Model::default();
        let mut sample = snapshot(1_000_000_000, [task(1, "conn-1")]);
        sample.connection = Connection::Stale { since_ns: 500_000_000 };
        model.advance(&sample.into());
        let document = parse(&written(&model, &Summary::default()));
        for path in ["tasks.polls_per_second", "tasks.busy_share"] {
            let target = &document["targets"][0];
            assert_eq!(target["unavailable"][path], "the target is not connected");
            for path in [path, &path.replace("tasks", "groups")] {
                assert_eq!(values(target, path), [&Value::Null], "{path}");
            }
        }
    }

    #[test]
    fn accuracy_is_stated_for_fields_of_the_document() {
        for field in FieldId::ALL {
            let target = target_with(field, &Accuracy::Sampled);
            for path in paths(&target, "accuracy") {
                assert!(values(&target, path).iter().any(|value| !value.is_null()), "{path}");
            }
        }
    }
}
