//! A process as the kernel shows it: identity, rights, mappings, ELF files, threads. Independent of
//! Tokio. Uses only `error`, `sys` and `memory`.

mod debug;
pub(crate) mod elf;
pub(crate) mod identity;
pub(crate) mod maps;
pub(crate) mod modules;
pub(crate) mod rights;
pub(crate) mod stat;
pub(crate) mod stop;
pub(crate) mod threads;
pub(crate) mod tls;
