//! Programs for the maintainers of asynctop: `cargo xtask COMMAND`.

mod accuracy;
mod breadth;
mod build;
mod field;
mod pictures;
mod score;
mod svg;
mod target;
mod terminal;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Programs for the maintainers of asynctop")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the pictures of the documents from real runs of the program
    Pictures {
        /// Only these, by name
        names: Vec<String>,
        /// The program to run [default: asynctop in the folder of this program]
        #[arg(long, value_name = "FILE")]
        asynctop: Option<PathBuf>,
        /// The reference client, for the picture `console`
        #[arg(long, value_name = "FILE", default_value = "tokio-console")]
        tokio_console: PathBuf,
    },
    /// Inspect one program with several versions of Tokio in several builds, and print tables
    Breadth(breadth::Options),
    /// Count the tasks of third-party programs and of programs in unusual situations
    Field(field::Options),
    /// Compare the busy shares sampled from outside with those that the tasks measure
    Accuracy(accuracy::Options),
    /// Score the rules on programs whose culprit is known, and print a table
    Score(score::Options),
    /// Run a program with console-subscriber, to be watched
    Target(target::Options),
    #[command(hide = true)]
    BusyLoop,
}

fn main() -> anyhow::Result<()> {
    match Xtask::parse().command {
        Command::Pictures { names, asynctop, tokio_console } => {
            let sibling = || Ok(std::env::current_exe()?.with_file_name("asynctop"));
            let asynctop = asynctop.map_or_else(sibling, anyhow::Ok)?;
            pictures::make(&names, &pictures::Programs { asynctop, tokio_console })
        }
        Command::Accuracy(options) => accuracy::run(&options),
        Command::Breadth(options) => breadth::run(&options),
        Command::Field(options) => field::run(&options),
        Command::Score(options) => score::run(&options),
        Command::Target(options) => target::run(&options),
        Command::BusyLoop => score::busy_loop(),
    }
}
