//! Geometries: the presets are good, and each field out of its range is refused by name.

use kvcpu_mmio::Geometry;
use kvcpu_mmio::geometry::{MAX_ENTRIES, WAYS};
use kvcpu_mmio::h3;

#[test]
fn the_presets_are_good() {
    for geometry in [Geometry::TEST, Geometry::BOARD, Geometry::FULL] {
        assert_eq!(geometry.check(), Ok(()), "{geometry:?}");
        assert!(geometry.entries() <= MAX_ENTRIES);
        assert_eq!(geometry.buckets() * WAYS, geometry.entries());
        assert_eq!(geometry.slots() - geometry.entries(), geometry.stash);
    }
    assert_eq!(Geometry::FULL.entries(), 65_536);
}

#[test]
fn each_bad_field_is_refused_by_name() {
    let good = Geometry::TEST;
    let bad = [
        ("entries_log2", Geometry { entries_log2: 4, ..good }),
        ("entries_log2", Geometry { entries_log2: 17, ..good }),
        ("lanes", Geometry { lanes: 0, ..good }),
        ("lanes", Geometry { lanes: 3, ..good }),
        ("lanes", Geometry { lanes: 256, ..good }),
        ("victim_k", Geometry { victim_k: 0, ..good }),
        ("victim_k", Geometry { victim_k: 256, ..good }),
        ("stash", Geometry { stash: 0, ..good }),
        ("stash", Geometry { stash: 17, ..good }),
        ("queues", Geometry { queues: 0, ..good }),
        ("queues", Geometry { queues: 5, ..good }),
        ("agents", Geometry { agents: 0, ..good }),
        ("agents", Geometry { agents: 9, ..good }),
        ("t1_kib", Geometry { t1_kib: (64 << 10) + 128, ..good }),
        ("block shifts", Geometry { min_block_shift: 5, ..good }),
        ("block shifts", Geometry { max_block_shift: 22, ..good }),
        ("block shifts", Geometry { min_block_shift: 13, max_block_shift: 12, ..good }),
    ];
    for (field, geometry) in bad {
        let error = geometry.check().expect_err(field);
        assert!(error.starts_with(field), "{field}: {error}");
    }
}

#[test]
fn the_ends_of_each_range_are_good() {
    let smallest = Geometry {
        entries_log2: 5,
        lanes: 1,
        victim_k: 1,
        stash: 1,
        queues: 1,
        agents: 1,
        t1_kib: 1 << 10,
        min_block_shift: 6,
        max_block_shift: 6,
    };
    let largest = Geometry { entries_log2: 16, lanes: 128, victim_k: 255, ..Geometry::FULL };
    assert_eq!(smallest.check(), Ok(()));
    assert_eq!(largest.check(), Ok(()));
}

#[test]
fn hash_rows_are_independent_enough() {
    // Each half of the rows must span its 16 output bits, or some bucket bits would be constant.
    for shift in [0, 16] {
        let mut rows: Vec<u16> = h3::ROWS.iter().map(|row| (row >> shift) as u16).collect();
        let mut rank = 0;
        for bit in 0..16 {
            if let Some(pivot) = rows[rank..].iter().position(|r| r >> bit & 1 == 1) {
                rows.swap(rank, rank + pivot);
                let row = rows[rank];
                for other in &mut rows[rank + 1..] {
                    if *other >> bit & 1 == 1 {
                        *other ^= row;
                    }
                }
                rank += 1;
            }
        }
        assert_eq!(rank, 16, "hash {}", shift / 16);
    }
    assert!(h3::ROWS.iter().all(|&row| row as u16 != 0 && row >> 16 != 0));
}
