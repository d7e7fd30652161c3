//! Lists the Tokio programs of this machine: `ps`.

#![allow(clippy::print_stderr, reason = "an example prints its errors")]

use std::process::ExitCode;

use asynctop_inspect::ps;

fn main() -> ExitCode {
    let listing = match ps::list() {
        Ok(listing) => listing,
        Err(error) => {
            eprintln!("ps: cannot read /proc: {error}");
            return ExitCode::from(2);
        }
    };
    println!(
        "{:>8}  {:24} {:10} {:>8} {:>8} {:>8}",
        "PID", "COMMAND", "TOKIO", "RUNTIMES", "WORKERS", "TASKS"
    );
    for program in &listing.programs {
        let (pid, command) = (program.pid, &program.command);
        let inspection = match &program.inspection {
            Ok(inspection) => inspection,
            Err(error) => {
                println!("{pid:>8}  {command:24} {error}");
                continue;
            }
        };
        let versions: Vec<&str> =
            inspection.tokio.iter().map(|copy| copy.version.as_deref().unwrap_or("?")).collect();
        let runtimes = &inspection.runtimes;
        let workers: usize = runtimes.iter().map(|runtime| runtime.workers.len()).sum();
        let workers = match runtimes.iter().all(|runtime| runtime.no_workers.is_none()) {
            true => workers.to_string(),
            false => "–".to_owned(),
        };
        println!(
            "{pid:>8}  {command:24} {:10} {:>8} {workers:>8} {:>8}",
            versions.join(","),
            runtimes.len(),
            inspection.tasks.len(),
        );
        for reason in runtimes.iter().filter_map(|runtime| runtime.unavailable.as_ref()) {
            println!("{:10}a runtime's tasks are not listed: {reason}", "");
        }
    }
    println!("{} other processes without Tokio", listing.others);
    if listing.denied > 0 {
        let reason = listing.first_denied.as_deref().unwrap_or_default();
        println!("{} processes cannot be read; the first one: {reason}", listing.denied);
    }
    ExitCode::SUCCESS
}
