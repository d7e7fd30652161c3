//! The targets that a command line names.

use std::str::FromStr;

#[cfg(feature = "attach")]
use crate::source::Address;
#[cfg(feature = "pid")]
use crate::source::{Program, ReadOptions};

/// A program to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetArg {
    /// One that runs console-subscriber.
    #[cfg(feature = "attach")]
    Address(Address),
    /// Any Tokio program of this machine.
    #[cfg(feature = "pid")]
    Program(Program),
}

impl FromStr for TargetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        #[cfg(feature = "pid")]
        if let Some(program) = text.strip_prefix("pid:") {
            let program = program.parse().map_err(|error| format!("{error}"));
            return program.map(TargetArg::Program);
        }
        #[cfg(feature = "attach")]
        return text.parse().map(TargetArg::Address).map_err(|error| format!("{error}"));
        #[cfg(not(feature = "attach"))]
        Err("it is not a program; write pid:PID or pid:NAME".to_owned())
    }
}

/// The programs to watch, by how they are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Addresses of programs with console-subscriber.
    #[cfg(feature = "attach")]
    pub addresses: Vec<Address>,
    /// Programs of this machine.
    #[cfg(feature = "pid")]
    pub programs: Vec<Program>,
    /// The options for reading them.
    #[cfg(feature = "pid")]
    pub read: ReadOptions,
}

impl Targets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Targets::default()
    }

    pub(super) fn push(&mut self, target: TargetArg) {
        match target {
            #[cfg(feature = "attach")]
            TargetArg::Address(address) => self.addresses.push(address),
            #[cfg(feature = "pid")]
            TargetArg::Program(program) => self.programs.push(program),
        }
    }
}
