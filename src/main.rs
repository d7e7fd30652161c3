//! The program `asynctop`: parse, dispatch, exit code.

fn main() {}
