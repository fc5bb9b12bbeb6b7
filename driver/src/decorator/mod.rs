//! Backings around a backing: they trace or break what passes through, and the driver above does not
//! know. They nest: `Traced::new(Arc::new(Faulty::new(emulator, plan)))`.

mod faulty;
mod plan;
mod traced;

pub use faulty::Faulty;
pub use plan::FaultPlan;
pub use traced::{AccessCounts, Traced};

use kvcpu_mmio::{Bar, map};

/// What lies at an offset, for logs: `TIER_LIMIT[2]`, `CMD_SQE.3`, or the bare offset in a gap.
fn place(bar: Bar, offset: u32) -> String {
    let Some(place) = map::by_offset(bar, offset & !3) else {
        return format!("BAR{}+{offset:#x}", bar.index());
    };
    let mut name = place.register.name.to_owned();
    if place.register.instances > 1 {
        name += &format!("[{}]", place.instance);
    }
    if place.register.elements > 1 {
        name += &format!(".{}", place.element);
    }
    if place.byte > 0 {
        name += "+4";
    }
    name
}
