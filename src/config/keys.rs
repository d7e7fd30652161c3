//! The keys of the configuration, one table: it is what is read and what the template shows.

use super::Config;
use crate::{
    app::Theme,
    cli::{Hold, interval},
    model::Flavor,
};

/// A key.
pub(super) struct Key {
    /// The table that it is in, if not at the top.
    pub table: Option<&'static str>,
    pub name: &'static str,
    /// A value, which is the default where there is one.
    pub example: &'static str,
    /// What it means, with its default.
    pub about: &'static str,
    /// Reads a value as the command line would.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
}

pub(super) static KEYS: [Key; 8] = [
    Key {
        table: None,
        name: "interval",
        example: "\"250ms\"",
        about: "Time between looks at the program, 100ms to 10s.",
        set: |config, text| {
            config.watch.interval = Some(interval(text)?);
            Ok(())
        },
    },
    Key {
        table: None,
        name: "theme",
        example: "\"default\"",
        about: "How the screen looks: default (the terminal's colours) or mono.",
        set: |config, text| {
            let themes = [Theme::Default, Theme::Mono];
            let theme = themes.into_iter().find(|theme| theme.as_str() == text);
            config.watch.theme =
                Some(theme.ok_or("there is no such theme; write \"default\" or \"mono\"")?);
            Ok(())
        },
    },
    Key {
        table: None,
        name: "color",
        example: "true",
        about: "Whether to use colours; the environment variable NO_COLOR turns them off, too.",
        set: |config, text| {
            config.watch.no_color = text == "false";
            Ok(())
        },
    },
    Key {
        table: None,
        name: "ascii",
        example: "false",
        about: "No characters beyond ASCII.",
        set: |config, text| {
            config.watch.ascii = text == "true";
            Ok(())
        },
    },
    Key {
        table: None,
        name: "mouse",
        example: "true",
        about: "Rows, headings and the wheel; false leaves the mouse to the terminal.",
        set: |config, text| {
            config.watch.no_mouse = text == "false";
            Ok(())
        },
    },
    Key {
        table: Some("lab"),
        name: "flavor",
        example: "\"multi-thread\"",
        about: "How the runtime schedules: current-thread or multi-thread. Each scenario has its\n\
                own, unless this is set.",
        set: |config, text| {
            let flavors = [Flavor::CurrentThread, Flavor::MultiThread];
            let flavor = flavors.into_iter().find(|flavor| flavor.as_str() == text);
            let remedy = "there is no such flavor; write \"current-thread\" or \"multi-thread\"";
            config.lab.flavor = Some(flavor.ok_or(remedy)?);
            Ok(())
        },
    },
    Key {
        table: Some("lab"),
        name: "workers",
        example: "2",
        about: "Worker threads; it makes the runtime multi-thread unless flavor says otherwise.\n\
                One a core, unless the scenario or this says something else.",
        set: |config, text| {
            let remedy = "that is no number of workers; write it like 2";
            config.lab.workers = Some(text.parse().map_err(|_| remedy)?);
            Ok(())
        },
    },
    Key {
        table: Some("lab"),
        name: "hog-hold",
        example: "\"never\"",
        about: "How long the hog keeps the worker before it gives way once: 1ms or longer, or never.\n\
                The scenario says it, mostly never, unless this is set.",
        set: |config, text| {
            config.lab.hog_hold = Some(text.parse::<Hold>()?);
            Ok(())
        },
    },
];
