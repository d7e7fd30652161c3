//! The built-in scenarios, whose files are also examples.

use super::Scenario;
use crate::document::DocumentError;

/// A scenario's file in the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Its file, to start from.
    pub text: &'static str,
}

impl BuiltIn {
    /// Reads the file.
    ///
    /// # Errors
    /// None: a test reads them all.
    pub fn scenario(&self) -> Result<Scenario, DocumentError> {
        Scenario::parse(self.name, &format!("{}.toml", self.name), self.text)
    }
}

macro_rules! built_in {
    ($($(#[$only:meta])? $name:literal),* $(,)?) => {
        &[$($(#[$only])? BuiltIn {
            name: $name,
            text: include_str!(concat!("../../scenarios/", $name, ".toml")),
        }),*]
    };
}

/// All of them, in the order in which one might go through them.
pub static BUILT_IN: &[BuiltIn] = built_in![
    "mixed",
    "hello",
    "lazy",
    "desktop",
    #[cfg(feature = "web")]
    "web",
    "node",
    "threads",
    "pool",
    "lifo",
    "trouble",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_can_be_read_and_has_a_lesson() {
        for built_in in BUILT_IN {
            let scenario = built_in.scenario().expect(built_in.name);
            assert!(scenario.check().is_ok(), "{}", built_in.name);
            assert_eq!(scenario.name, built_in.name);
            assert!(scenario.title.len() <= 80, "{}", scenario.title);
            for (heading, text) in scenario.lesson.parts() {
                assert!(!text.is_empty(), "{}: {heading}", built_in.name);
            }
        }
    }
}
