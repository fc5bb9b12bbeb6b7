//! Text as a generator sees it: segments of tokens, cut into blocks, blocks named by what they hold.
//!
//! Two contexts that begin with the same segments share blocks up to where they part, also when a block spans the end
//! of one segment and the beginning of the next; a context that forks shares all it had. Nothing here is random.

use std::collections::HashMap;

/// A stretch of text: who wrote it. Equal segments are equal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Segment {
    /// A text that sessions have in common, by its number on its shelf.
    Shared(Shelf, u32),
    /// Text that occurs once: a prompt, an answer, a tool's output.
    Private(u64),
}

/// Where a shared text stands. The numbers are the upper halves of the streams that lengths are drawn from: they stay,
/// so that traces do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shelf {
    /// System prompts of chat.
    Chat = 0,
    /// System prompts of agents.
    Agent = 1,
    /// System prompts of retrieval.
    Rag = 2,
    /// Documents.
    Documents = 4,
    /// Prompts of the regression set.
    Regression = 5,
}

/// A part of a segment inside one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Piece {
    segment: Segment,
    offset: u32,
    tokens: u32,
}

/// Names blocks: the same parent and content give the same number.
#[derive(Debug, Default)]
pub(super) struct Namer {
    known: HashMap<(Option<u32>, Vec<Piece>), u32>,
    /// The id under which a block was first sent, if it was: ids count up in the order in which the trace shows them.
    sent: Vec<Option<u64>>,
    next_id: u64,
    next_private: u64,
}

impl Namer {
    /// A segment that nothing else is equal to.
    pub(super) fn private(&mut self) -> Segment {
        self.next_private += 1;
        Segment::Private(self.next_private)
    }

    fn name(&mut self, parent: Option<u32>, content: &[Piece]) -> u32 {
        let fresh = self.sent.len() as u32;
        let name = *self.known.entry((parent, content.to_vec())).or_insert(fresh);
        if name == fresh {
            self.sent.push(None);
        }
        name
    }

    fn id(&mut self, name: u32) -> u64 {
        let next = self.next_id;
        let id = *self.sent[name as usize].get_or_insert(next);
        self.next_id += u64::from(id == next);
        id
    }
}

/// A growing context.
#[derive(Clone, Debug)]
pub(super) struct Context {
    block_tokens: u32,
    /// Names of the full blocks.
    full: Vec<u32>,
    /// Content of the last block, not yet full.
    tail: Vec<Piece>,
    tail_tokens: u32,
}

impl Context {
    pub(super) fn new(block_tokens: u32) -> Self {
        Self { block_tokens, full: Vec::new(), tail: Vec::new(), tail_tokens: 0 }
    }

    /// Length in tokens.
    pub(super) fn tokens(&self) -> u64 {
        self.full.len() as u64 * u64::from(self.block_tokens) + u64::from(self.tail_tokens)
    }

    /// Appends all `tokens` of a segment.
    pub(super) fn push(&mut self, namer: &mut Namer, segment: Segment, tokens: u32) {
        let mut offset = 0;
        while offset < tokens {
            let part = (tokens - offset).min(self.block_tokens - self.tail_tokens);
            self.tail.push(Piece { segment, offset, tokens: part });
            self.tail_tokens += part;
            offset += part;
            if self.tail_tokens == self.block_tokens {
                let name = namer.name(self.full.last().copied(), &self.tail);
                self.full.push(name);
                self.tail.clear();
                self.tail_tokens = 0;
            }
        }
    }

    /// Writes the ids of all blocks, the unfinished last one included, into `ids`.
    pub(super) fn ids(&self, namer: &mut Namer, ids: &mut Vec<u64>) {
        ids.clear();
        ids.extend(self.full.iter().map(|&name| namer.id(name)));
        if !self.tail.is_empty() {
            let name = namer.name(self.full.last().copied(), &self.tail);
            ids.push(namer.id(name));
        }
    }
}
