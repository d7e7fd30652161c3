//! The terminal: enter, leave, suspend, panic.
