//! Clock: a hand goes round the blocks and takes the first that was not touched since it came by.

use super::{HepcError, Victims};

#[derive(Clone, Copy, Default)]
struct Mark {
    resident: bool,
    touched: bool,
    hot: bool,
}

/// The blocks, and the hand.
pub(super) struct Clock {
    marks: Vec<Mark>,
    hand: usize,
    count: u32,
    limit: u32,
}

impl Clock {
    pub(super) fn new(blocks: u32, limit: u32) -> Clock {
        Clock { marks: vec![Mark::default(); blocks as usize], hand: 0, count: 0, limit }
    }

    /// The next victim, another than `not`. Twice round is enough: the first time takes the marks of touches away.
    fn victim(&mut self, not: u32) -> Option<u32> {
        for _ in 0..2 * self.marks.len() {
            let at = self.hand;
            self.hand = (at + 1) % self.marks.len();
            let mark = &mut self.marks[at];
            if mark.resident && !mark.hot && at != not as usize {
                if mark.touched {
                    mark.touched = false;
                } else {
                    mark.resident = false;
                    self.count -= 1;
                    return Some(at as u32);
                }
            }
        }
        None
    }
}

impl Victims for Clock {
    fn filled(&mut self, block: u32, victims: &mut Vec<u32>) -> Result<(), HepcError> {
        if !self.marks[block as usize].resident {
            self.marks[block as usize].resident = true;
            self.count += 1;
        } else {
            self.touched(block)?;
        }
        // A block for which none can go is there all the same: the next that can makes up for it.
        while self.count > self.limit {
            victims.push(self.victim(block).ok_or(HepcError::NoVictim)?);
        }
        Ok(())
    }

    fn touched(&mut self, block: u32) -> Result<(), HepcError> {
        let mark = &mut self.marks[block as usize];
        mark.touched = mark.resident;
        Ok(())
    }

    fn hot(&mut self, block: u32, on: bool) -> Result<(), HepcError> {
        self.marks[block as usize].hot = on;
        Ok(())
    }

    fn expected(&mut self, block: u32, _steps: u32) -> Result<(), HepcError> {
        self.touched(block)
    }

    fn gone(&mut self, block: u32) -> Result<(), HepcError> {
        let mark = &mut self.marks[block as usize];
        self.count -= u32::from(mark.resident);
        *mark = Mark { hot: mark.hot, ..Mark::default() };
        Ok(())
    }

    fn step(&mut self) -> Result<(), HepcError> {
        Ok(())
    }
}
