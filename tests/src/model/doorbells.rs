//! Whose turn it is: the order rule of docs/queue.md.

use std::collections::VecDeque;

/// Doorbells from which on a queue joins its last one.
const MANY: usize = 12;
/// Number of the single-shot path among the queues.
pub const SINGLE_SHOT: usize = 4;

/// One queue, by its indexes.
#[derive(Clone, Debug, Default)]
struct Queue {
    /// Commands written by the host, not fetched by the device: what each is.
    written: VecDeque<u64>,
    entries: u32,
    sq_head: u32,
    /// Completions posted and not given back, and how many may be.
    posted: u32,
    room: u32,
}

/// The doorbells that wait, and what was executed, in order.
#[derive(Clone, Debug, Default)]
pub struct Doorbells {
    queues: [Queue; 5],
    waiting: VecDeque<(usize, u32)>,
    /// Commands executed: the queue of each, and what it was.
    pub executed: Vec<(usize, u64)>,
}

impl Doorbells {
    /// Queues with rings of these sizes, log2: submission and completion.
    pub fn new(sizes: [(u32, u32); 4]) -> Doorbells {
        let mut doorbells = Doorbells::default();
        for (queue, (sq, cq)) in doorbells.queues.iter_mut().zip(sizes) {
            (queue.entries, queue.room) = (1 << sq, (1 << cq) - 1);
        }
        (doorbells.queues[SINGLE_SHOT].entries, doorbells.queues[SINGLE_SHOT].room) = (2, u32::MAX);
        doorbells
    }

    /// The host writes an entry.
    pub fn write(&mut self, qid: usize, what: u64) {
        self.queues[qid].written.push_back(what);
    }

    /// The host rings for all it has written.
    pub fn ring(&mut self, qid: usize) {
        let queue = &self.queues[qid];
        let tail = (queue.sq_head + queue.written.len() as u32) % queue.entries;
        let many = self.waiting.len() >= MANY;
        let last = self.waiting.len().wrapping_sub(1);
        let mut items = self.waiting.iter_mut().enumerate().rev();
        match items.find(|(at, (of, _))| *of == qid && (*at == last || many)) {
            Some((_, item)) => item.1 = tail,
            None => self.waiting.push_back((qid, tail)),
        }
        self.serve();
    }

    /// The host gives completions back.
    pub fn give_back(&mut self, qid: usize, count: u32) {
        self.queues[qid].posted -= count;
        self.serve();
    }

    /// Completions that the host may take.
    pub fn posted(&self, qid: usize) -> u32 {
        self.queues[qid].posted
    }

    /// Whether a command waits for space in its completion queue.
    pub fn blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn serve(&mut self) {
        while let Some(&(qid, tail)) = self.waiting.front() {
            let queue = &mut self.queues[qid];
            if queue.sq_head == tail {
                self.waiting.pop_front();
                continue;
            }
            if queue.posted == queue.room {
                return;
            }
            queue.sq_head = (queue.sq_head + 1) % queue.entries;
            queue.posted += 1;
            let what = queue.written.pop_front();
            self.executed.push((qid, what.expect("the host rings for what it has written")));
        }
    }
}
