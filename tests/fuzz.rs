//! A short run of every fuzz target on generated input, the same on every machine, with stable Rust.
//! `fuzz/README.md` describes long runs.
//!
//! `ASYNCTOP_FUZZ_INPUTS` sets the number of inputs per target, `ASYNCTOP_FUZZ_SEED` the first one.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

/// Runs a target on variants of `seeds` and on random inputs of up to `max_length` bytes.
fn run(target: fn(&[u8]) -> usize, max_length: u64, seeds: &[&str]) {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    };
    let first: u64 = number("ASYNCTOP_FUZZ_SEED", 1);
    let mut accepted = 0;
    for nth in first..first + number("ASYNCTOP_FUZZ_INPUTS", 200) {
        let mut random = Random(nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut input = match seeds.get(nth as usize % (seeds.len() + 1)) {
            Some(seed) => seed.as_bytes().to_vec(),
            None => (0..random.below(max_length)).map(|_| random.byte()).collect(),
        };
        // A few bytes are replaced, inserted or removed.
        for _ in 0..random.below(4) {
            let at = random.below(input.len() as u64 + 1) as usize;
            let removed = at..(at + random.below(3) as usize).min(input.len());
            let inserted: Vec<u8> = (0..random.below(3)).map(|_| random.byte()).collect();
            input.splice(removed, inserted);
        }
        accepted += target(&input);
    }
    assert!(accepted > 0, "no input was accepted");
}

/// A deterministic random number generator (xorshift).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn below(&mut self, end: u64) -> u64 {
        self.word() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.word() as u8
    }
}

#[test]
fn arguments() {
    let seeds =
        ["1m30s", "1.5MB", "worker-held=200ms", "spin:2", "unix:/run/app.sock", "--for\n3s"];
    run(targets::arguments, 60, &seeds);
}

#[test]
fn attach() {
    run(targets::attach, 16 << 10, &[]);
}

#[test]
fn config() {
    run(targets::config, 200, &[&asynctop::config::template()]);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn memory() {
    run(targets::memory, 100, &[""]);
}

#[test]
fn scenario() {
    let built_in = asynctop_lab::BUILT_IN_SCENARIOS.iter().map(|scenario| scenario.text);
    run(targets::scenario, 200, &built_in.collect::<Vec<_>>());
}

#[test]
fn terminal_input() {
    run(
        targets::terminal_input,
        100,
        &["\x1b[200~a\x1b[201~", "\x1b[<0;1;1M", "\x1b]11;x\x07", "\x1bOP"],
    );
}

#[test]
fn text() {
    run(targets::text, 100, &["a\x1b[2Jb\u{202E}c\n"]);
}
