//! Prints, as a table for README, what the findings make of programs of which it is known
//! who is guilty: `cargo run --release --example score [SECONDS]`. Programs in which all is
//! well run for SECONDS (30 unless given), the others until the guilty is found.

#[path = "../tests/truth/cases.rs"]
mod cases;

use std::time::Duration;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|given| given.parse().ok()).unwrap_or(30);
    let least = Duration::from_secs(seconds);
    let (mut guilty, mut found, mut innocents) = (0, 0, Vec::new());
    println!("| program | found by | at | innocents accused |\n|---|---|---|--:|");
    for case in cases::all() {
        let outcome = match case.is_guilty() {
            true => case.run(Duration::from_secs(5), Duration::from_secs(60)),
            false => case.run(least, least),
        };
        let (rule, place) = outcome.found.as_ref().map_or(("–", "–"), |(rule, at)| (rule, at));
        let verdict =
            if case.is_guilty() || outcome.found.is_some() { rule } else { "all is well" };
        println!("| {} | {verdict} | {place} | {} |", case.name, outcome.accused.len());
        innocents.extend(outcome.accused.iter().map(|said| format!("{}: {said}", case.name)));
        guilty += usize::from(case.is_guilty());
        found += usize::from(outcome.right_place);
    }
    println!(
        "\n{found} of {guilty} guilty found, at a line of the right function where there is one; innocents accused: {}",
        innocents.len()
    );
    innocents.iter().for_each(|said| println!("{said}"));
}
