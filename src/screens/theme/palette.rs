//! The colors of the themes, for terminals with 16, 256 and 16 million colors.

use ratatui::style::Color;

use crate::app::{Background, ColorDepth, Settings, ThemeName};

/// A color: `0xRRGGBB`, and the named one for terminals that have no others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hue(u32, Color);

/// The colors of a theme by their meaning.
#[derive(Debug)]
pub(super) struct Palette {
    pub key: Hue,
    pub good: Hue,
    pub warning: Hue,
    pub critical: Hue,
    pub busy: Hue,
    /// Groups of tasks. None is that of critical states.
    pub groups: [Hue; 10],
    /// Use the named colors, as the user has set them up.
    is_named: bool,
}

/// The palette of these settings; `None` without colors.
pub(super) fn of(settings: Settings) -> Option<&'static Palette> {
    let is_light = settings.background == Some(Background::Light);
    let has_own_hues = matches!(settings.colors, ColorDepth::Indexed | ColorDepth::True);
    match (settings.theme, is_light) {
        (ThemeName::Mono, _) => None,
        (ThemeName::Default, _) if settings.colors == ColorDepth::None => None,
        (ThemeName::Default, _) if settings.background.is_none() && has_own_hues => Some(&MEDIUM),
        (ThemeName::Default, false) => Some(&NAMED),
        (ThemeName::Dark, _) => Some(&DARK),
        (ThemeName::Default, true) | (ThemeName::Light, _) => Some(&LIGHT),
        (ThemeName::ColorBlind, false) => Some(&COLOR_BLIND_DARK),
        (ThemeName::ColorBlind, true) => Some(&COLOR_BLIND_LIGHT),
    }
}

impl Palette {
    /// A color as a terminal with this many colors shows it.
    pub(super) fn color(&self, Hue(rgb, named): Hue, colors: ColorDepth) -> Color {
        let [_, red, green, blue] = rgb.to_be_bytes();
        match colors {
            ColorDepth::True if !self.is_named => Color::Rgb(red, green, blue),
            ColorDepth::Indexed if !self.is_named => Color::Indexed(nearest([red, green, blue])),
            _ => named,
        }
    }
}

/// The levels of red, green and blue of the colors 16 to 231.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest of the colors 16 to 255.
fn nearest(rgb: [u8; 3]) -> u8 {
    let distance = |other: [u8; 3]| -> u32 {
        rgb.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let color = |index: u8| match index {
        16..232 => {
            let index = usize::from(index - 16);
            [LEVELS[index / 36], LEVELS[index / 6 % 6], LEVELS[index % 6]]
        }
        _ => [8 + 10 * index.saturating_sub(232); 3],
    };
    (16..=255).min_by_key(|index| distance(color(*index))).unwrap_or(16)
}

/// The terminal's own colors, which are made for its background.
static NAMED: Palette = Palette {
    key: Hue(0x56c8d8, Color::Cyan),
    good: Hue(0x7cc36a, Color::Green),
    warning: Hue(0xe5c04b, Color::Yellow),
    critical: Hue(0xff6b6b, Color::Red),
    busy: Hue(0x6ea8fe, Color::Blue),
    groups: [
        Hue(0x6ea8fe, Color::Blue),
        Hue(0xe5c04b, Color::Yellow),
        Hue(0x7cc36a, Color::Green),
        Hue(0xd787d7, Color::Magenta),
        Hue(0x56c8d8, Color::Cyan),
        Hue(0x9fc4ff, Color::LightBlue),
        Hue(0xf0b0f0, Color::LightMagenta),
        Hue(0xb5e8a0, Color::LightGreen),
        Hue(0xa5edf5, Color::LightCyan),
        Hue(0xf5e6a8, Color::LightYellow),
    ],
    is_named: true,
};

static DARK: Palette = Palette {
    busy: Hue(0x6ea8fe, Color::LightBlue),
    critical: Hue(0xff6b6b, Color::LightRed),
    is_named: false,
    ..NAMED
};

/// Neither dark nor light: for terminals that do not report their background.
static MEDIUM: Palette = Palette {
    key: Hue(0x0087af, Color::Cyan),
    good: Hue(0x5f8700, Color::Green),
    warning: Hue(0xaf7f00, Color::Yellow),
    critical: Hue(0xe0393e, Color::Red),
    busy: Hue(0x3d82e0, Color::Blue),
    groups: [
        Hue(0x3d82e0, Color::Blue),
        Hue(0xaf7f00, Color::Yellow),
        Hue(0x5f8700, Color::Green),
        Hue(0xaf5faf, Color::Magenta),
        Hue(0x0087af, Color::Cyan),
        Hue(0x5f87d7, Color::LightBlue),
        Hue(0xd75f87, Color::LightMagenta),
        Hue(0x00875f, Color::LightGreen),
        Hue(0x7f7faf, Color::LightCyan),
        Hue(0xc0703f, Color::LightYellow),
    ],
    is_named: false,
};

/// No yellow and no light color among the named ones: they cannot be read on white.
static LIGHT: Palette = Palette {
    key: Hue(0x006c7a, Color::Blue),
    good: Hue(0x1e6f1e, Color::Green),
    warning: Hue(0x865300, Color::Magenta),
    critical: Hue(0xc01c28, Color::Red),
    busy: Hue(0x1a5fb4, Color::Blue),
    groups: [
        Hue(0x1a5fb4, Color::Blue),
        Hue(0x865300, Color::Magenta),
        Hue(0x1e6f1e, Color::Green),
        Hue(0x813d9c, Color::DarkGray),
        Hue(0x006c7a, Color::Cyan),
        Hue(0x5b4b8a, Color::Blue),
        Hue(0x8a3a68, Color::Magenta),
        Hue(0x4d6b00, Color::Green),
        Hue(0x3f5f6f, Color::DarkGray),
        Hue(0x6b4a2f, Color::Cyan),
    ],
    is_named: false,
};

/// Blue, yellow and orange, which people with any kind of color blindness can distinguish.
static COLOR_BLIND_DARK: Palette = Palette {
    key: Hue(0x56b4e9, Color::Cyan),
    good: Hue(0x56b4e9, Color::LightBlue),
    warning: Hue(0xf0e442, Color::Yellow),
    critical: Hue(0xff8533, Color::LightRed),
    busy: Hue(0x6fa8ff, Color::LightBlue),
    groups: [
        Hue(0x56b4e9, Color::LightBlue),
        Hue(0xf0e442, Color::Yellow),
        Hue(0xcc99bb, Color::Magenta),
        Hue(0x33c79a, Color::Cyan),
        Hue(0xe69f00, Color::LightYellow),
        Hue(0xb8d8f0, Color::LightCyan),
        Hue(0xf7f2a8, Color::LightYellow),
        Hue(0xead1e0, Color::LightMagenta),
        Hue(0x9be3cc, Color::LightCyan),
        Hue(0xffd27f, Color::LightYellow),
    ],
    is_named: false,
};

static COLOR_BLIND_LIGHT: Palette = Palette {
    key: Hue(0x005a8f, Color::Blue),
    good: Hue(0x00629b, Color::Blue),
    warning: Hue(0x7a5f00, Color::Magenta),
    critical: Hue(0xa0207a, Color::Red),
    busy: Hue(0x1a5fb4, Color::Blue),
    groups: [
        Hue(0x00629b, Color::Blue),
        Hue(0x7a5f00, Color::Magenta),
        Hue(0x00745a, Color::Cyan),
        Hue(0x7d4f6e, Color::DarkGray),
        Hue(0x8f5200, Color::Red),
        Hue(0x3d4f8f, Color::Blue),
        Hue(0x5c5c3d, Color::Magenta),
        Hue(0x3f6b62, Color::Cyan),
        Hue(0x6a5a7d, Color::DarkGray),
        Hue(0x6b4a2f, Color::Red),
    ],
    is_named: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colors by the definition of WCAG 2: 1 to 21.
    fn contrast(a: u32, b: u32) -> f64 {
        let brightness = |rgb: u32| {
            let [_, red, green, blue] = rgb.to_be_bytes().map(|level| {
                let level = f64::from(level) / 255.0;
                if level <= 0.03928 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let (a, b) = (brightness(a), brightness(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_is_readable_on_the_background_of_its_theme() {
        let themes = [
            (&DARK, 0x1e1e1e),
            (&COLOR_BLIND_DARK, 0x1e1e1e),
            (&LIGHT, 0xffffff),
            (&COLOR_BLIND_LIGHT, 0xffffff),
        ];
        for (palette, background) in themes {
            let Palette { key, good, warning, critical, busy, groups, .. } = palette;
            for Hue(rgb, _) in [key, good, warning, critical, busy].into_iter().chain(groups) {
                let contrast = contrast(*rgb, background);
                assert!(contrast >= 4.5, "{rgb:06x} on {background:06x}: {contrast:.1}");
            }
        }
    }

    #[test]
    fn medium_colors_are_visible_on_any_background() {
        let Palette { key, good, warning, critical, busy, groups, .. } = &MEDIUM;
        for Hue(rgb, _) in [key, good, warning, critical, busy].into_iter().chain(groups) {
            for background in [0x1e1e1e, 0xffffff] {
                let contrast = contrast(*rgb, background);
                assert!(contrast >= 3.0, "{rgb:06x} on {background:06x}: {contrast:.1}");
            }
        }
    }

    #[test]
    fn named_colors_of_light_themes_are_dark() {
        let pale = [Color::Yellow, Color::White, Color::Gray, Color::LightYellow, Color::LightCyan];
        for palette in [&LIGHT, &COLOR_BLIND_LIGHT] {
            let Palette { key, good, warning, critical, busy, groups, .. } = palette;
            let all = [key, good, warning, critical, busy].into_iter().chain(groups);
            assert!(all.clone().all(|Hue(_, named)| !pale.contains(named)), "{palette:?}");
        }
    }

    #[test]
    fn colors_degrade_with_the_terminal() {
        let color = |theme, colors, background| {
            let settings = Settings { theme, colors, background, ..Settings::default() };
            of(settings).map(|palette| palette.color(palette.warning, colors))
        };
        let light = Some(Background::Light);
        assert_eq!(
            color(ThemeName::Dark, ColorDepth::True, None),
            Some(Color::Rgb(0xe5, 0xc0, 0x4b))
        );
        assert_eq!(color(ThemeName::Dark, ColorDepth::Indexed, None), Some(Color::Indexed(179)));
        assert_eq!(color(ThemeName::Dark, ColorDepth::Sixteen, None), Some(Color::Yellow));
        let dark = Some(Background::Dark);
        assert_eq!(color(ThemeName::Default, ColorDepth::True, dark), Some(Color::Yellow));
        assert_eq!(color(ThemeName::Default, ColorDepth::Indexed, None), Some(Color::Indexed(136)));
        assert_eq!(color(ThemeName::Default, ColorDepth::Sixteen, None), Some(Color::Yellow));
        assert_eq!(color(ThemeName::Default, ColorDepth::Sixteen, light), Some(Color::Magenta));
        assert_eq!(color(ThemeName::Default, ColorDepth::None, None), None);
        assert_eq!(color(ThemeName::Mono, ColorDepth::True, light), None);
    }

    #[test]
    fn nearest_color_is_the_color_itself_if_there_is_one() {
        assert_eq!([[0, 0, 0], [255, 0, 95], [238, 238, 238]].map(nearest), [16, 197, 255]);
    }
}
