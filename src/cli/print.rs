//! Texts that the program prints about itself: completions, man page, scenarios.

use std::io;

use asynctop_lab::{LabError, Param};
use clap_complete::Shell;

use super::command_line;
use crate::screens;

/// The completion script for a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "asynctop", &mut script);
    script
}

/// The man page, in roff.
///
/// # Errors
/// None in practice: the page is rendered in memory.
pub fn man() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command_line()).render(&mut page)?;
    page.extend_from_slice(keys_in_roff().as_bytes());
    Ok(page)
}

/// The keys of the dashboard, from the table that also dispatches them.
fn keys_in_roff() -> String {
    // In roff, a backslash begins an escape and a dash is a hyphen. `\&` protects a leading dot,
    // which would begin a request.
    let escape = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    let mut section = ".SH KEYS\n".to_owned();
    for binding in screens::bindings() {
        let (label, help) = (escape(binding.label), escape(binding.help));
        section += &format!(".TP\n\\fB{label}\\fR\n\\&{help}\n");
    }
    section
}

/// The list of scenarios, or the text of one.
///
/// # Errors
/// If there is no such scenario.
pub fn scenarios(name: Option<&str>) -> Result<String, LabError> {
    if let Some(name) = name {
        return Ok(asynctop_lab::BuiltInScenario::find(name)?.text.to_owned());
    }
    let mut text = String::new();
    for built_in in asynctop_lab::BUILT_IN_SCENARIOS {
        text += &format!("{:10} {}\n", built_in.name, built_in.scenario()?.title);
    }
    text += "\n`asynctop lab NAME` runs a scenario, `asynctop lab FILE` one of your own. `asynctop scenarios \
             NAME`\nprints a scenario as a template, `asynctop scenarios --kinds` the kinds of workloads.\n";
    Ok(text)
}

/// The format of a scenario file, from the tables that validate it.
pub fn kinds() -> String {
    let mut text = FORMAT.to_owned();
    for kind in asynctop_lab::WORKLOAD_KINDS {
        let unit = kind.unit.map(|unit| format!("; counts each {unit}")).unwrap_or_default();
        text += &format!("\nkind = \"{}\"\n  {}{unit}\n", kind.name, kind.about);
        for Param { name, about, param_type } in kind.params {
            text += &format!("  {name:10} {about}\n  {:10} {param_type}", "");
            text += &format!(" [default: {}]\n", param_type.default_text());
        }
    }
    text
}

const FORMAT: &str = "\
A scenario is a TOML file:

title = \"What it shows\"
[runtime]
flavor = \"multi-thread\"       # or \"current-thread\"
workers = 2                   # of a multi-thread runtime [default: one per core]
max_blocking_threads = 4      # of the blocking pool [default: 512]
[[workload]]                  # may be repeated
kind = \"heartbeats\"
name = \"beats\"                # [default: the kind]
count = 8                     # [default: 1]
period = \"10ms\"               # a parameter of the kind, see below
[hog]
kind = \"spin\"
count = 1
hold = \"20ms\"                 # or \"never\"
[lesson]                      # shown on the Lab screen
watch = \"What to watch\"
try = \"What to try\"
why = \"Why it happens\"
";

#[cfg(all(test, feature = "attach", feature = "pid"))]
mod tests {
    #[test]
    fn document_has_the_table_of_commands() {
        let document = include_str!("../../docs/reports.md");
        let command = super::command_line();
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
        let row = |command: &clap::Command| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            format!("| `asynctop {}` | {about} |", command.get_name())
        };
        let table = shown.map(row).collect::<Vec<_>>().join("\n");
        assert!(document.contains(&table), "docs/reports.md needs:\n{table}");
    }
}
