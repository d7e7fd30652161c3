//! Names for addresses: future types, source locations, stack frames. Uses `process` and
//! `memory`.

pub(crate) mod boxed;
pub(crate) mod code;
pub(crate) mod future;
pub(crate) mod lines;
pub(crate) mod location;
pub(crate) mod panic;
pub(crate) mod shorten;
pub(crate) mod text;
pub(crate) mod unwind;
pub(crate) mod unwind_table;
