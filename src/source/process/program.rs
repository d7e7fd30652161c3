//! The program to watch, as the user names it.

use std::{fmt, str::FromStr};

/// A running program of this machine.
///
/// ```
/// use asynctop::source::Program;
///
/// assert_eq!("1234".parse(), Ok(Program::Id(1234)));
/// assert_eq!("server".parse(), Ok(Program::Name("server".into())));
/// assert!("0".parse::<Program>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Its process ID.
    Id(u32),
    /// Its name: that of the executable file.
    Name(String),
}

/// The options for reading programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Never stop a thread. Otherwise one that computes in a long poll is stopped for some 10 µs,
    /// once, to read its stack.
    pub no_stop: bool,
    /// Sample with real-time priority.
    pub realtime: bool,
}

/// A text that is neither a process ID nor the name of a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither a process ID nor the name of a program; `asynctop ps` lists programs")]
pub struct ProgramError;

impl FromStr for Program {
    type Err = ProgramError;

    fn from_str(text: &str) -> Result<Self, ProgramError> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(id @ 1..) => Ok(Program::Id(id)),
            _ if is_number || text.contains(['/', '\0']) => Err(ProgramError),
            _ => Ok(Program::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Program::Id(id) => id.fmt(f),
            Program::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_process_ids_and_everything_else_is_a_name() {
        for (text, program) in [
            ("7", Some(Program::Id(7))),
            ("server-2", Some(Program::Name("server-2".into()))),
            ("", None),
            ("0", None),
            ("4294967296", None),
            ("/usr/bin/server", None),
        ] {
            assert_eq!(text.parse().ok(), program, "{text}");
        }
    }
}
