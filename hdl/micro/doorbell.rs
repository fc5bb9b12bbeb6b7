//! The list of doorbells: what is to be served, in order. docs/queue.md, Order.
//!
//! ```text
//!  doorbell ─► last item's queue? ─► its tail replaced
//!          ├─► 12 wait, queue among them? ─► tail of its last item replaced
//!          └─► item 0 (served) · 1 · ... · 15
//! ```
//!
//! An item is a word, {queue 31:16, tail 15:0}; the list is a ring of 16. Thread 1 adds and drops, thread 0 takes; whatever thread 0
//! does here is masked.

/// From so many items on, a queue has no further one.
const DB_MANY: u32 = 12;
/// Position mod the list's length.
const DB_WRAP: u32 = 15;

/// Position of the first item.
static DB_FIRST: u32 = 0;
/// Items.
static DB_COUNT: u32 = 0;
/// Queue of the first, when it was last looked at.
static DB_QUEUE: u32 = 0;

/// Address of item `n`.
fn doorbell_item(n: u32) -> u32 {
    DOORBELLS + ((DB_FIRST + n) & DB_WRAP)
}

/// A doorbell for a queue, or the single-shot path. Thread 1.
fn doorbell(queue: u32, tail: u32) {
    let mut place = DB_COUNT;
    let mut left = DB_COUNT;
    while left != 0 {
        left -= 1;
        if load(doorbell_item(left)) >> 16 == queue {
            place = left;
            break;
        }
        if DB_COUNT < DB_MANY {
            break;
        }
    }
    store(doorbell_item(place), queue << 16 | tail);
    if place == DB_COUNT {
        DB_COUNT += 1;
    }
}

/// Removes the first item, which there is, if it is a queue's and that has come to its tail. 1 if so; otherwise its queue is in
/// DB_QUEUE.
fn doorbell_done() -> u32 {
    let item = load(DOORBELLS + DB_FIRST);
    DB_QUEUE = item >> 16;
    if DB_QUEUE == SINGLE_QUEUE || load(CSR_SQ_HEAD + (DB_QUEUE << 4)) != item & 0xFFFF {
        return 0;
    }
    doorbell_remove();
    1
}

/// Removes the first item.
fn doorbell_remove() {
    DB_FIRST = (DB_FIRST + 1) & DB_WRAP;
    DB_COUNT -= 1;
}

/// Forgets the doorbells of a queue.
fn doorbells_drop(queue: u32) {
    let mut kept = 0;
    let mut n = 0;
    while n != DB_COUNT {
        let item = load(doorbell_item(n));
        if item >> 16 != queue {
            store(doorbell_item(kept), item);
            kept += 1;
        }
        n += 1;
    }
    DB_COUNT = kept;
}
