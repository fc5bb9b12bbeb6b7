//! Doubly linked lists over block numbers: the links live in one array, and a block is in at most one list at a time.
//!
//! ```text
//!   Lists  tag:  [ 0 . 1 0 1 ]      which list a block is in
//!          link: [ (prev,next) … ]
//!   List   newest ─► … ─► oldest    entries come in at the newest end
//! ```

const NIL: u32 = u32::MAX;

/// Where no list is: above every list, so that `tag(block) <= list` asks for membership of that list or a lower one.
pub(super) const NOWHERE: u8 = u8::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    newest: u32,
    oldest: u32,
    len: usize,
}

/// `N` lists over the same block numbers.
#[derive(Clone, Debug)]
pub(super) struct Lists<const N: usize> {
    links: Vec<Link>,
    tags: Vec<u8>,
    ends: [Ends; N],
}

impl<const N: usize> Lists<N> {
    pub(super) fn new(unique: usize) -> Self {
        Self {
            links: vec![Link { newer: NIL, older: NIL }; unique],
            tags: vec![NOWHERE; unique],
            ends: [Ends { newest: NIL, oldest: NIL, len: 0 }; N],
        }
    }

    /// The list that `block` is in, or [`NOWHERE`].
    pub(super) fn tag(&self, block: u32) -> u8 {
        self.tags[block as usize]
    }

    pub(super) fn len(&self, list: u8) -> usize {
        self.ends[list as usize].len
    }

    pub(super) fn oldest(&self, list: u8) -> Option<u32> {
        some(self.ends[list as usize].oldest)
    }

    /// The neighbour of `block` on the newer side.
    pub(super) fn newer(&self, block: u32) -> Option<u32> {
        some(self.links[block as usize].newer)
    }

    /// Puts a block that is nowhere at the newest end of `list`.
    pub(super) fn push(&mut self, list: u8, block: u32) {
        debug_assert_eq!(self.tag(block), NOWHERE, "a block is in one list at a time");
        let ends = &mut self.ends[list as usize];
        self.links[block as usize] = Link { newer: NIL, older: ends.newest };
        if ends.newest == NIL {
            ends.oldest = block;
        } else {
            self.links[ends.newest as usize].newer = block;
        }
        ends.newest = block;
        ends.len += 1;
        self.tags[block as usize] = list;
    }

    /// Takes a block out of the list it is in.
    pub(super) fn remove(&mut self, block: u32) {
        let ends = &mut self.ends[self.tags[block as usize] as usize];
        let Link { newer, older } = self.links[block as usize];
        if newer == NIL {
            ends.newest = older;
        } else {
            self.links[newer as usize].older = older;
        }
        if older == NIL {
            ends.oldest = newer;
        } else {
            self.links[older as usize].newer = newer;
        }
        ends.len -= 1;
        self.tags[block as usize] = NOWHERE;
    }

    /// Takes the oldest block out of `list`.
    pub(super) fn pop_oldest(&mut self, list: u8) -> Option<u32> {
        let block = self.oldest(list)?;
        self.remove(block);
        Some(block)
    }

    /// Moves a block to the newest end of `list`, from wherever it is.
    pub(super) fn move_to(&mut self, list: u8, block: u32) {
        if self.tag(block) != NOWHERE {
            self.remove(block);
        }
        self.push(list, block);
    }
}

fn some(block: u32) -> Option<u32> {
    (block != NIL).then_some(block)
}
