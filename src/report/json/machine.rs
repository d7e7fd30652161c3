//! The time without a CPU in the JSON document.

use crate::{
    model::MachineLoad,
    report::row::{Row, row},
};

/// The shares of the latest seconds.
pub(super) fn machine(load: &MachineLoad) -> Row<'static> {
    row! {
        span_ns: load.span_ns,
        cpus: load.cpus,
        load: load.load,
        worker: load.run_delay.map(|(worker, _)| worker),
        run_delay_share: load.run_delay.map(|(_, share)| share),
        steal_share: load.steal,
        throttled_share: load.throttled,
        pressure_share: load.pressure,
    }
}
