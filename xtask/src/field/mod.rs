//! Third-party programs under a load that creates a known number of tasks, and programs in unusual
//! situations: their tasks, counted from outside.
//!
//! Everything is installed and built in `target/field`. A program that cannot be installed or run
//! on this machine has a row with the reason.
//!
//! `install` and `fixture` bring programs to the disk, `running` starts and loads them, `programs`
//! and `situations` are the table, `measure` inspects.

mod fixture;
mod install;
mod measure;
mod programs;
mod running;
mod situations;

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::PathBuf,
    thread,
    time::Duration,
};

use crate::build::target_folder;
use measure::Row;
use running::Running;
pub use running::{Facts, Started, facts, wait_for};

/// Programs to count the tasks of.
#[derive(clap::Args)]
pub struct Options {
    /// Only programs whose name contains one of these
    names: Vec<String>,
}

/// A program in a certain state.
struct Program {
    name: &'static str,
    /// How it was built, as far as its inspection does not show it.
    build: &'static str,
    start: fn(&Folder) -> anyhow::Result<Running>,
}

/// The folder of everything that is installed, built or written here.
pub struct Folder(PathBuf);

impl Folder {
    /// # Errors
    /// If it cannot be created.
    pub fn create() -> anyhow::Result<Folder> {
        Ok(Folder(target_folder("field")?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Starts mini-redis with clients that send it requests while it runs.
    ///
    /// # Errors
    /// If it cannot be installed or started.
    pub fn busy_mini_redis(&self, clients: usize) -> anyhow::Result<Started> {
        let (server, port) = programs::mini_redis_server(self)?;
        for _ in 0..clients {
            let stream = running::connect(port)?;
            // Its error is the end of the server.
            thread::spawn(move || send_requests(stream));
        }
        Ok(server)
    }
}

/// A request 200 times per second.
fn send_requests(mut stream: TcpStream) -> io::Result<()> {
    let mut answer = [0; 64];
    loop {
        stream.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")?;
        if stream.read(&mut answer)? == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Prints a row for each program as soon as it is known.
///
/// # Errors
/// If the folder cannot be created, or tasks were not counted as they must be.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let folder = Folder::create()?;
    let names = &options.names;
    let is_wanted = |program: &&Program| {
        names.is_empty() || names.iter().any(|name| program.name.contains(name))
    };
    println!("{}", measure::HEAD);
    let mut differing = Vec::new();
    for program in programs::ALL.iter().chain(situations::ALL).filter(is_wanted) {
        let row = (program.start)(&folder).and_then(|running| measure::row(program, &running));
        match row {
            Ok(Row { text, is_right }) => {
                println!("{text}");
                differing.extend((!is_right).then_some(program.name));
            }
            Err(error) => println!("| {} | not examined: {error:#} |||||||", program.name),
        }
    }
    anyhow::ensure!(differing.is_empty(), "not as it must be: {}", differing.join("; "));
    Ok(())
}
