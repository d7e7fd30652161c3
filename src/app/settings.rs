//! The settings of the display.

/// A color theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// The terminal's own colors; on a light background, darker ones.
    #[default]
    Default,
    /// Colors for a dark background.
    Dark,
    /// Colors for a light background.
    Light,
    /// Colors that differ in brightness and in blue, for the background of the terminal.
    ColorBlind,
    /// No colors: bold, dim and reversed only.
    Mono,
}

impl ThemeName {
    /// All themes.
    pub const ALL: [ThemeName; 5] = [
        ThemeName::Default,
        ThemeName::Dark,
        ThemeName::Light,
        ThemeName::ColorBlind,
        ThemeName::Mono,
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            ThemeName::Default => "default",
            ThemeName::Dark => "dark",
            ThemeName::Light => "light",
            ThemeName::ColorBlind => "color-blind",
            ThemeName::Mono => "mono",
        }
    }
}

/// The background of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Light text on a dark background.
    Dark,
    /// Dark text on a light background.
    Light,
}

impl Background {
    /// The background of this color: red, green and blue from 0 to 1.
    pub fn of([red, green, blue]: [f32; 3]) -> Background {
        // The share of each color in the perceived brightness.
        let brightness = 0.299 * red + 0.587 * green + 0.114 * blue;
        if brightness > 0.5 { Background::Light } else { Background::Dark }
    }
}

/// The colors that a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorDepth {
    /// None.
    None,
    /// The sixteen named ones.
    #[default]
    Sixteen,
    /// 256, the upper 240 of which are the same on every terminal.
    Indexed,
    /// 24 bits.
    True,
}

/// The settings of the display, from the command line, the configuration file and the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The color theme.
    pub theme: ThemeName,
    /// Use ASCII characters only.
    pub ascii: bool,
    /// The colors that the terminal can show.
    pub colors: ColorDepth,
    /// The background of the terminal, once it is known.
    pub background: Option<Background>,
}

impl Settings {
    /// Whether the colors depend on the background of the terminal, and it is not known.
    pub fn needs_background(&self) -> bool {
        let depends = matches!(self.theme, ThemeName::Default | ThemeName::ColorBlind);
        depends && self.colors != ColorDepth::None && self.background.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_is_light_if_it_is_brighter_than_the_middle() {
        let solarized = [[0.99, 0.96, 0.89], [0.0, 0.17, 0.21]].map(Background::of);
        assert_eq!(solarized, [Background::Light, Background::Dark]);
    }
}
