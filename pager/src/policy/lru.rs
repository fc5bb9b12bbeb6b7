//! Least recently used, by a list threaded through the blocks.

use super::{HepcError, Victims};

/// None.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Links {
    newer: u32,
    older: u32,
    resident: bool,
    hot: bool,
}

/// The list: the newest block is the one filled or touched last.
pub(super) struct Lru {
    links: Vec<Links>,
    newest: u32,
    oldest: u32,
    count: u32,
    limit: u32,
}

impl Lru {
    pub(super) fn new(blocks: u32, limit: u32) -> Lru {
        let links = Links { newer: NONE, older: NONE, resident: false, hot: false };
        Lru { links: vec![links; blocks as usize], newest: NONE, oldest: NONE, count: 0, limit }
    }

    fn at(&mut self, block: u32) -> &mut Links {
        &mut self.links[block as usize]
    }

    fn unlink(&mut self, block: u32) {
        let Links { newer, older, .. } = *self.at(block);
        match newer {
            NONE => self.newest = older,
            newer => self.at(newer).older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.at(older).newer = newer,
        }
    }

    fn link_newest(&mut self, block: u32) {
        let older = self.newest;
        let links = self.at(block);
        (links.newer, links.older) = (NONE, older);
        match older {
            NONE => self.oldest = block,
            older => self.at(older).newer = block,
        }
        self.newest = block;
    }

    fn remove(&mut self, block: u32) {
        if self.at(block).resident {
            self.unlink(block);
            self.at(block).resident = false;
            self.count -= 1;
        }
    }
}

impl Victims for Lru {
    fn filled(&mut self, block: u32, victims: &mut Vec<u32>) -> Result<(), HepcError> {
        if !self.at(block).resident {
            self.at(block).resident = true;
            self.count += 1;
            self.link_newest(block);
        } else {
            self.touched(block)?;
        }
        // A block for which none can go is there all the same: the next that can makes up for it.
        while self.count > self.limit {
            let mut victim = self.oldest;
            while victim != NONE && (self.at(victim).hot || victim == block) {
                victim = self.at(victim).newer;
            }
            if victim == NONE {
                return Err(HepcError::NoVictim);
            }
            self.remove(victim);
            victims.push(victim);
        }
        Ok(())
    }

    fn touched(&mut self, block: u32) -> Result<(), HepcError> {
        if self.at(block).resident {
            self.unlink(block);
            self.link_newest(block);
        }
        Ok(())
    }

    fn hot(&mut self, block: u32, on: bool) -> Result<(), HepcError> {
        self.at(block).hot = on;
        Ok(())
    }

    fn expected(&mut self, block: u32, _steps: u32) -> Result<(), HepcError> {
        self.touched(block)
    }

    fn gone(&mut self, block: u32) -> Result<(), HepcError> {
        self.remove(block);
        Ok(())
    }

    fn step(&mut self) -> Result<(), HepcError> {
        Ok(())
    }
}
