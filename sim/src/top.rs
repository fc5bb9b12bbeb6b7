//! Which design is the device's top in which geometry.

use crate::{Design, design};
use kvcpu_mmio::Geometry;

/// A geometry is elaborated into a design of its own.
const TOPS: [(Geometry, &str); 4] = [
    (Geometry::SMALL, "kvcpu_small"),
    (Geometry::TEST, "kvcpu"),
    (Geometry::BOARD, "kvcpu_board"),
    (Geometry::FULL, "kvcpu_full"),
];

/// The top of this geometry, if `hdl/rtl` holds it.
pub fn top(geometry: Geometry) -> Option<&'static Design> {
    TOPS.iter().find(|(of, _)| *of == geometry).and_then(|(_, name)| design(name))
}
