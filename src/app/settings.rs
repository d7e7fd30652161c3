//! The settings of the display.

/// A color theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// The terminal's own colors, for light and dark backgrounds.
    #[default]
    Default,
    /// No colors: bold, dim and reversed only.
    Mono,
}

impl ThemeName {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            ThemeName::Default => "default",
            ThemeName::Mono => "mono",
        }
    }
}

/// The settings of the display, from the command line and the configuration file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The color theme.
    pub theme: ThemeName,
    /// Use ASCII characters only.
    pub ascii: bool,
}
