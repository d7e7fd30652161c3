//! The built-in scenarios, whose files are also examples of the format.

use asynctop_snapshot::text::{closest_match, excerpt};

use super::Scenario;
use crate::{LabError, document::DocumentError};

/// A scenario file that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltInScenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// The text of the file.
    pub text: &'static str,
}

impl BuiltInScenario {
    /// Returns the built-in scenario of this name.
    ///
    /// # Errors
    /// [`LabError::UnknownScenario`] names the known ones and the closest match.
    pub fn find(name: &str) -> Result<&'static BuiltInScenario, LabError> {
        BUILT_IN_SCENARIOS.iter().find(|scenario| scenario.name == name).ok_or_else(|| {
            let known: Vec<&str> = BUILT_IN_SCENARIOS.iter().map(|known| known.name).collect();
            LabError::UnknownScenario {
                name: excerpt(name),
                closest_match: closest_match(name, known.iter().copied()).map(str::to_owned),
                known,
            }
        })
    }

    /// Parses the file.
    ///
    /// # Errors
    /// None: a test parses all built-in files.
    pub fn scenario(&self) -> Result<Scenario, DocumentError> {
        Scenario::parse(self.name, &format!("{}.toml", self.name), self.text)
    }
}

macro_rules! built_in {
    ($($(#[$attribute:meta])? $name:literal),* $(,)?) => {
        &[$($(#[$attribute])? BuiltInScenario {
            name: $name,
            text: include_str!(concat!("../../scenarios/", $name, ".toml")),
        }),*]
    };
}

/// All built-in scenarios, in the suggested order of trying them.
pub static BUILT_IN_SCENARIOS: &[BuiltInScenario] = built_in![
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
    fn built_in_scenarios_are_valid_and_have_a_lesson() {
        for built_in in BUILT_IN_SCENARIOS {
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
