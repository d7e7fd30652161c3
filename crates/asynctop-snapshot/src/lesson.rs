//! The lesson of a scenario.

/// A lesson in three parts, each of which may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lesson {
    /// The effect to watch on the screen.
    pub watch: String,
    /// An experiment to try.
    pub attempt: String,
    /// The explanation of both.
    pub why: String,
}

impl Lesson {
    /// The parts in order, each with its heading.
    pub fn parts(&self) -> [(&'static str, &str); 3] {
        [
            ("What to watch", &self.watch),
            ("What to try", &self.attempt),
            ("Why it happens", &self.why),
        ]
    }
}
