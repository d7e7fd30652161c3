//! What the program prints about itself.

use std::io;

use clap_complete::Shell;

use super::command_line;
use crate::{
    app::keymap::KEYMAP,
    lab::{self, LabError, Scenario},
};

/// The completion script for a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "asynctop", &mut script);
    script
}

/// The man page, in roff.
///
/// # Errors
/// None that a program could meet: it is made in memory.
pub fn man() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command_line()).render(&mut page)?;
    page.extend_from_slice(keys_in_roff().as_bytes());
    Ok(page)
}

/// The keys of the dashboard, from the table that also dispatches them.
fn keys_in_roff() -> String {
    // A dash is a hyphen in roff, a dot in front an order, a backslash an escape.
    let plain = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    let mut section = ".SH KEYS\n".to_owned();
    for binding in KEYMAP {
        let (label, help) = (plain(binding.label), plain(binding.help));
        section += &format!(".TP\n\\fB{label}\\fR\n\\&{help}\n");
    }
    section
}

/// The list of scenarios, or what there is to say about one.
///
/// # Errors
/// If there is no such scenario.
pub fn scenarios(name: Option<&str>) -> Result<String, LabError> {
    let Some(name) = name else {
        let line = |scenario: &Scenario| format!("{:12} {}\n", scenario.name, scenario.title);
        return Ok(lab::scenarios().iter().map(line).collect());
    };
    let Scenario { name, title, lesson, flavor, workloads, .. } = lab::find(name)?;
    let lesson = wrap(&lesson, 78);
    let mut text = format!("{name}: {title}\n\n{lesson}\n\nruntime: {}\n", flavor.as_str());
    for workload in &workloads {
        text += &format!("{:>6} × {}\n", workload.count, workload.name);
    }
    Ok(text)
}

/// Breaks lines between words.
fn wrap(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push('\n');
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_only() {
        assert_eq!(wrap("aa bb  cc dddddddd e", 5), "aa bb\ncc\ndddddddd\ne");
        assert_eq!(wrap("", 5), "");
    }
}
