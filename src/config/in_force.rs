//! The values that are in force without flags, and where they come from.

use std::{fs, path::Path};

use super::{Config, ConfigError, document, is_missing};

/// The configuration file and the environment.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// The values of the file.
    values: toml::Table,
    /// The name of the file, if there is one.
    file: Option<String>,
    /// Why the file is invalid, if it is.
    pub(super) error: Option<String>,
    no_color: bool,
    ascii_locale: bool,
}

impl InForce {
    /// Reads `file` or, without one, the default configuration file. `no_color` and `ascii_locale` are
    /// the settings of the environment.
    ///
    /// # Errors
    /// If `file` cannot be read or is invalid. The error of a default file is part of the result.
    pub fn load(
        file: Option<&Path>,
        no_color: bool,
        ascii_locale: bool,
    ) -> Result<InForce, ConfigError> {
        let error = match (Config::load(file), file) {
            (Err(error), Some(_)) => return Err(error),
            (result, _) => result.err().map(|error| error.to_string()),
        };
        let default = || Config::path().filter(|path| !is_missing(path));
        let path = file.map(Path::to_owned).or_else(default);
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        Ok(InForce {
            // An invalid file is reported with its line by `Config::load`.
            values: text.and_then(|text| text.parse().ok()).unwrap_or_default(),
            file: path.map(|path| document::display(&path).to_string()),
            error,
            no_color,
            ascii_locale,
        })
    }

    /// The value of a key, and where it comes from.
    pub(super) fn of(&self, table: Option<&str>, name: &str) -> String {
        match (table, name) {
            (None, "color") if self.no_color => return "false, from NO_COLOR".to_owned(),
            (None, "ascii") if self.ascii_locale => return "true, from the locale".to_owned(),
            _ => {}
        }
        let values = match table {
            Some(table) => self.values.get(table).and_then(|table| table.as_table()),
            None => Some(&self.values),
        };
        let value = values.and_then(|values| values.get(name));
        match (value, &self.file, &self.error) {
            (Some(value), Some(file), None) => format!("{value}, from {file}"),
            _ => "the default".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_has_its_origin() {
        let in_force = InForce {
            values: "theme = 'light'\n[thresholds]\nleak = 'off'".parse().expect("TOML"),
            file: Some("config.toml".to_owned()),
            no_color: true,
            ..InForce::default()
        };
        assert_eq!(in_force.of(None, "theme"), "\"light\", from config.toml");
        assert_eq!(in_force.of(Some("thresholds"), "leak"), "\"off\", from config.toml");
        assert_eq!(in_force.of(None, "color"), "false, from NO_COLOR");
        assert_eq!(in_force.of(Some("lab"), "workers"), "the default");
        let described = super::super::describe(&in_force);
        assert!(described.contains("# In force: \"light\", from config.toml\n# theme = "));
        assert_eq!(Config::parse("template", &described).expect("valid"), Config::default());
    }
}
