//! The keys of the configuration. The file is parsed, and the template printed, from this table.

use super::Config;
use crate::{
    app::{ThemeName, parse_columns},
    cli::{Hold, interval},
    model::{GroupRow, ResourceRow, Row, TaskRow, WorkerRow},
    snapshot::Flavor,
};

/// A key of the configuration.
pub(super) struct Key {
    /// The table that contains the key; `None` for the top level.
    pub table: Option<&'static str>,
    pub name: &'static str,
    /// The default value, or another valid value if there is no default.
    pub example: &'static str,
    /// The description, with the default if `example` is not the default.
    pub about: &'static str,
    /// Parses a value like the command line does.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
}

pub(super) static KEYS: [Key; 12] = [
    Key {
        table: None,
        name: "interval",
        example: "\"250ms\"",
        about: "Sampling interval, 100ms to 10s.",
        set: |config, text| {
            config.watch.interval = Some(interval(text)?);
            Ok(())
        },
    },
    Key {
        table: None,
        name: "theme",
        example: "\"default\"",
        about: "Colors of the screen: default (the terminal's), dark, light, color-blind or mono.",
        set: |config, text| {
            let theme = ThemeName::ALL.into_iter().find(|theme| theme.as_str() == text);
            let remedy = "there is no such theme; write \"default\", \"dark\", \"light\", \
                          \"color-blind\" or \"mono\"";
            config.watch.theme = Some(theme.ok_or(remedy)?);
            Ok(())
        },
    },
    Key {
        table: None,
        name: "color",
        example: "true",
        about: "Whether to use colors. The environment variable NO_COLOR disables them, too.",
        set: |config, text| {
            config.watch.no_color = text == "false";
            Ok(())
        },
    },
    Key {
        table: None,
        name: "ascii",
        example: "false",
        about: "ASCII characters only.",
        set: |config, text| {
            config.watch.ascii = text == "true";
            Ok(())
        },
    },
    Key {
        table: None,
        name: "mouse",
        example: "true",
        about: "Whether to capture the mouse: rows, headings and the wheel.",
        set: |config, text| {
            config.watch.no_mouse = text == "false";
            Ok(())
        },
    },
    Key {
        table: Some("columns"),
        name: "tasks",
        example: "\"id state name busy_share history polls_per_second max_poll_ns stage location\"",
        about: "Columns of the task table, from left to right. `c` on the screen lists them.\n\
                Default: those that fit.",
        set: |config, text| choose::<TaskRow>(config, text),
    },
    Key {
        table: Some("columns"),
        name: "groups",
        example: "\"name tasks polling runnable idle busy_share busy_history delay_p99_ns\"",
        about: "Columns of the group table.",
        set: |config, text| choose::<GroupRow>(config, text),
    },
    Key {
        table: Some("columns"),
        name: "workers",
        example: "\"index busy_bar busy_share polling local_queue history\"",
        about: "Columns of the worker table.",
        set: |config, text| choose::<WorkerRow>(config, text),
    },
    Key {
        table: Some("columns"),
        name: "resources",
        example: "\"type_name waiters longest_ns holder state location\"",
        about: "Columns of the resource table.",
        set: |config, text| choose::<ResourceRow>(config, text),
    },
    Key {
        table: Some("lab"),
        name: "flavor",
        example: "\"multi-thread\"",
        about: "Runtime flavor: current-thread or multi-thread. Default: the scenario's.",
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
        about: "Worker threads; implies multi-thread unless flavor is set.\n\
                Default: the scenario's, else one per core.",
        set: |config, text| {
            let remedy = "not a number of workers; write a number such as 2";
            config.lab.workers = Some(text.parse().map_err(|_| remedy)?);
            Ok(())
        },
    },
    Key {
        table: Some("lab"),
        name: "hog-hold",
        example: "\"never\"",
        about: "How long the hog blocks its worker before it yields once: 1ms or longer, or never.\n\
                Default: the scenario's, mostly never.",
        set: |config, text| {
            config.lab.hog_hold = Some(text.parse::<Hold>()?);
            Ok(())
        },
    },
];

fn choose<R: Row>(config: &mut Config, names: &str) -> Result<(), String> {
    config.watch.columns.insert(R::TABLE, parse_columns::<R>(names)?);
    Ok(())
}
