//! A figure, and how it came about.

/// A figure, and how it came about. What a source cannot know is never 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure<T> {
    /// Counted or timed where it happened.
    Measured(T),
    /// Computed from measured figures.
    Derived(T),
    /// Extrapolated from samples.
    Estimated(T),
    /// Not to be had from this source, for the reason given.
    Unavailable(&'static str),
}

impl<T: Copy> Figure<T> {
    /// The value, however it came about.
    pub fn value(self) -> Option<T> {
        match self {
            Figure::Measured(value) | Figure::Derived(value) | Figure::Estimated(value) => {
                Some(value)
            }
            Figure::Unavailable(_) => None,
        }
    }

    /// Why there is no value.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Figure::Unavailable(reason) => Some(reason),
            _ => None,
        }
    }
}
