//! What the program prints about itself.

use std::io::{self, Write};

use clap_complete::Shell;

use super::command_line;
use crate::lab;

/// Writes the completion script for a shell.
///
/// # Errors
/// If `out` cannot be written.
pub fn completions(shell: Shell, out: &mut impl Write) -> io::Result<()> {
    // clap_complete panics where it cannot write; a Vec always can be.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command_line(), "asynctop", &mut script);
    out.write_all(&script)
}

/// Writes the man page, in roff.
///
/// # Errors
/// If `out` cannot be written.
pub fn man(out: &mut impl Write) -> io::Result<()> {
    clap_mangen::Man::new(command_line()).render(out)
}

/// Writes the list of scenarios, or what there is to say about one.
///
/// # Errors
/// If there is no such scenario, or `out` cannot be written.
pub fn scenarios(name: Option<&str>, out: &mut impl Write) -> anyhow::Result<()> {
    let Some(name) = name else {
        for scenario in lab::scenarios() {
            writeln!(out, "{:12} {}", scenario.name, scenario.title)?;
        }
        return Ok(());
    };
    let scenario = lab::find(name)?;
    writeln!(out, "{}: {}\n", scenario.name, scenario.title)?;
    writeln!(out, "{}\n", textwrap(&scenario.lesson, 78))?;
    writeln!(out, "runtime: {}", scenario.flavor.as_str())?;
    for workload in &scenario.workloads {
        writeln!(out, "{:>6} × {}", workload.count, workload.name)?;
    }
    Ok(())
}

/// Breaks lines between words.
fn textwrap(text: &str, width: usize) -> String {
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
        assert_eq!(textwrap("aa bb  cc dddddddd e", 5), "aa bb\ncc\ndddddddd\ne");
        assert_eq!(textwrap("", 5), "");
    }
}
