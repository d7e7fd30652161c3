//! The configuration file: a TOML file with defaults for the flags of the command line.
//!
//! The file is parsed into the types of the command line, so that both have the same meaning.
//! Precedence: the command line, the environment, the file.

mod in_force;
mod keys;

use std::{
    env,
    io::ErrorKind,
    path::{Path, PathBuf},
};

pub use asynctop_lab::document::DocumentError as ConfigError;
use asynctop_lab::document::{self, KeyValue, Table, type_name};
use toml::de::DeValue;

use crate::{
    cli::{LabArgs, WatchArgs},
    gate::SetThreshold,
    model::{RULES, Rule},
};
pub use in_force::InForce;
use keys::{KEYS, Key};

/// The tables with keys, and their prefixes in errors.
const TABLES: [(&str, &str); 2] = [("columns", "columns."), ("lab", "lab.")];

/// The contents of a configuration file, as flags of the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Options of the lab.
    pub lab: LabArgs,
    /// Options of the screen and the report.
    pub watch: WatchArgs,
}

impl Config {
    /// Reads this file, or else the default file if it exists.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid; the error has the line and the remedy. A missing
    /// default file is not an error, but a dangling link or a directory without permission is.
    pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
        const REMEDY: &str = "choose another one with --config; `asynctop config` prints a \
                              template";
        let default = file.is_none().then(Config::path).flatten();
        let Some(path) = file.or(default.as_deref()) else { return Ok(Config::default()) };
        if file.is_none() && is_missing(path) {
            return Ok(Config::default());
        }
        let text = document::load(path, "configuration", REMEDY)?;
        Config::parse(&document::display(path), &text)
    }

    /// The path of the default configuration file.
    pub fn path() -> Option<PathBuf> {
        let directory =
            |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG Base Directory Specification requires that a relative path is ignored.
        let parent = directory("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let parent = parent.or_else(|| Some(directory("HOME")?.join(".config")))?;
        Some(parent.join("asynctop").join("config.toml"))
    }

    /// Parses the text of a configuration. `file` is its name in errors.
    ///
    /// # Errors
    /// If the text is invalid: the first problem, with its line.
    ///
    /// ```
    /// use asynctop::config::Config;
    ///
    /// let config = Config::parse("config.toml", "interval = '1s'\n[thresholds]\nleak = 'off'").unwrap();
    /// assert_eq!(config.watch.interval().as_secs(), 1);
    ///
    /// let error = Config::parse("config.toml", "intervall = '1s'").unwrap_err().to_string();
    /// assert!(error.starts_with("config.toml:1: intervall: there is no such key (did you mean `interval`?)"));
    /// ```
    pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
        document::parse(file, text, |top| {
            let mut config = Config::default();
            let keys = KEYS.iter().filter(|key| key.table.is_none()).map(|key| key.name);
            top.check_keys(&keys.chain(["columns", "lab", "thresholds"]).collect::<Vec<_>>())?;
            read(&mut config, top, None)?;
            for (name, prefix) in TABLES {
                let Some(table) = top.table(name, prefix)? else { continue };
                let keys = KEYS.iter().filter(|key| key.table == Some(name)).map(|key| key.name);
                table.check_keys(&keys.collect::<Vec<_>>())?;
                read(&mut config, &table, Some(name))?;
            }
            if let Some(thresholds) = top.table("thresholds", "thresholds.")? {
                config.watch.thresholds = read_thresholds(&thresholds)?;
            }
            Ok(config)
        })
    }
}

/// Whether no file of this name exists. A dangling link exists.
fn is_missing(path: &Path) -> bool {
    let found = path.symlink_metadata().map_err(|error| error.kind());
    matches!(found, Err(ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// Reads the keys of one table.
fn read(config: &mut Config, from: &Table<'_>, table: Option<&str>) -> Result<(), ConfigError> {
    for key in KEYS.iter().filter(|key| key.table == table) {
        if let Some(entry) = from.get(key.name) {
            let value = scalar(&entry, key.example)?;
            (key.set)(config, &value).map_err(|problem| entry.error(&problem))?;
        }
    }
    Ok(())
}

fn read_thresholds(from: &Table<'_>) -> Result<Vec<SetThreshold>, ConfigError> {
    from.check_keys(&RULES.map(|rule| rule.name))?;
    let mut set = Vec::new();
    for rule in RULES {
        let Some(entry) = from.get(rule.name) else { continue };
        let value = scalar(&entry, &quoted(&rule.unit.write(rule.default)))?;
        let value = rule.parse(&value).map_err(|problem| entry.error(&problem))?;
        set.push(SetThreshold(rule.id, value));
    }
    Ok(set)
}

/// A value in the form of the command line, if it has the type of the example.
fn scalar(entry: &KeyValue<'_>, example: &str) -> Result<String, ConfigError> {
    const MAX_LENGTH: usize = 200;
    match (entry.value(), example) {
        (DeValue::String(_), _) if example.starts_with('"') => entry.text(MAX_LENGTH),
        (DeValue::Boolean(on), "true" | "false") => Ok(on.to_string()),
        (DeValue::Integer(number), _) if example.starts_with(|c: char| c.is_ascii_digit()) => {
            // The text without underscores; `Key::set` refuses invalid numbers.
            Ok(number.as_str().to_owned())
        }
        (other, _) => {
            Err(entry.error(&format!("this is {}; write it like {example}", type_name(other))))
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// The template of a configuration: every key with its description, commented out.
pub fn template() -> String {
    write_template(None)
}

/// The template of a configuration, with the value that is in force for each key.
pub fn describe(in_force: &InForce) -> String {
    write_template(Some(in_force))
}

fn write_template(in_force: Option<&InForce>) -> String {
    let mut text = String::from(
        "# Configuration of asynctop: the file given with --config, else\n\
         # $XDG_CONFIG_HOME/asynctop/config.toml, else ~/.config/asynctop/config.toml.\n\
         # Precedence: the command line, the environment (NO_COLOR), this file.\n\
         # Remove the # at the start of a line to set a key.\n",
    );
    let keys = |table: Option<&'static str>| KEYS.iter().filter(move |key| key.table == table);
    if let Some(error) = in_force.and_then(|in_force| in_force.error.as_ref()) {
        let line = error.replace('\n', " ");
        text.push_str(&format!("# The file is invalid, so asynctop does not start: {line}\n"));
    }
    let value = |table: Option<&str>, name: &str| match in_force {
        Some(in_force) => format!("# In force: {}\n", in_force.of(table, name)),
        None => String::new(),
    };
    let line = |key: &Key| value(key.table, key.name);
    keys(None).for_each(|key| write_key(&mut text, key, &line(key)));
    for (table, _) in TABLES {
        text.push_str(&format!("\n[{table}]\n"));
        keys(Some(table)).for_each(|key| write_key(&mut text, key, &line(key)));
    }
    text.push_str("\n# Threshold at which each rule fires; \"off\" disables it.\n[thresholds]\n");
    for Rule { name, meaning, measure, unit, default, .. } in RULES {
        let (default, in_force) = (quoted(&unit.write(*default)), value(Some("thresholds"), name));
        text.push_str(&format!("\n# {meaning}\n# ({measure})\n{in_force}# {name} = {default}\n"));
    }
    text
}

fn write_key(text: &mut String, key: &Key, in_force: &str) {
    text.push('\n');
    for line in key.about.lines() {
        text.push_str(&format!("# {line}\n"));
    }
    text.push_str(&format!("{in_force}# {} = {}\n", key.name, key.example));
}

#[cfg(test)]
mod tests;
