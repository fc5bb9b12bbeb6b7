//! What a session does: text it adds before a request, text it adds after, and the time until the next.
//!
//! ```text
//!   chat    [system][first prompt] ▸ [answer][prompt] ▸ [answer][prompt] ▸ …           think time between
//!   agent   [system][task] ▸ [action][tool output] ▸ [action] ─┬ fork: [instruction] ▸ [action][tool output] ▸ …
//!                                                              └ …and when all are back: [report][report] ▸ …
//!   rag     [system][document][document][question] ▸ [answer][question] ▸ …             think time between
//! ```
//!
//! `▸` is a request: all the text to its left is its prompt.

use super::Workload;
use super::context::{Context, Namer, Segment};
use super::dist::{Domain, Source, Zipf};
use super::params::{Agent, Chat, LogNormal, Params, Rag, System};

/// What comes after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next step, after this many milliseconds.
    Next(u64),
    /// This many children continue from the context; the session waits for them.
    Fork(u32),
    /// Nothing: the session is over.
    End,
}

/// Draws that need a table, and lengths of shared texts.
pub(super) struct Tables {
    chat: Zipf,
    agent: Zipf,
    rag: Zipf,
    documents: Zipf,
}

impl Tables {
    pub(super) fn new(p: &Params) -> Self {
        let system = |s: &System| Zipf::new(s.prompts, s.zipf);
        Self {
            chat: system(&p.chat.system),
            agent: system(&p.agent.system),
            rag: system(&p.rag.system),
            documents: Zipf::new(p.rag.documents, p.rag.zipf),
        }
    }
}

/// A session of any workload.
pub(super) struct Session {
    workload: Workload,
    source: Source,
    context: Context,
    steps_left: u32,
    /// The agent that waits for this one.
    pub(super) parent: Option<usize>,
    /// Children that this agent waits for.
    pub(super) waiting_for: u32,
}

impl Session {
    /// A new session, up to and including the text of its first request.
    pub(super) fn begin(workload: Workload, number: u64, p: &Params, tables: &Tables, namer: &mut Namer) -> Self {
        let context = Context::new(p.block_tokens);
        let source = Source::new(p.seed, Domain::Sessions, number);
        let mut session = Self { workload, source, context, steps_left: 0, parent: None, waiting_for: 0 };
        match workload {
            Workload::Chat | Workload::Mixed => {
                session.steps_left = session.source.geometric(p.chat.turns_mean);
                session.add_system(&p.chat.system, &tables.chat, p.seed, namer);
                session.add_private(&p.chat.first_tokens, namer);
            }
            Workload::Agent => {
                session.steps_left = session.source.geometric(p.agent.steps_mean);
                session.add_system(&p.agent.system, &tables.agent, p.seed, namer);
                session.add_private(&p.agent.task_tokens, namer);
            }
            Workload::Rag => {
                session.steps_left = session.source.geometric(p.rag.questions_mean);
                session.add_system(&p.rag.system, &tables.rag, p.seed, namer);
                session.add_documents(&p.rag, tables, p.seed, namer);
                session.add_private(&p.rag.question_tokens, namer);
            }
        }
        session
    }

    /// A sub-agent that continues from this agent's context.
    pub(super) fn fork(&self, own: usize, number: u64, p: &Params, namer: &mut Namer) -> Self {
        let mut source = Source::new(p.seed, Domain::Sessions, number);
        let steps_left = source.geometric(p.agent.child_steps_mean);
        let context = self.context.clone();
        let mut child =
            Self { workload: Workload::Agent, source, context, steps_left, parent: Some(own), waiting_for: 0 };
        child.add_private(&p.agent.report_tokens, namer);
        child
    }

    /// The prompt as it stands: its length, and its block ids in `ids`.
    pub(super) fn prompt(&self, namer: &mut Namer, ids: &mut Vec<u64>) -> u64 {
        self.context.ids(namer, ids);
        self.context.tokens()
    }

    /// Takes the step whose prompt was sent: draws the answer, and prepares the next prompt. Returns the answer's
    /// length.
    pub(super) fn step(&mut self, p: &Params, namer: &mut Namer) -> (u32, Then) {
        self.steps_left -= 1;
        let (answer, next, gap) = match self.workload {
            Workload::Chat | Workload::Mixed => {
                let Chat { answer_tokens, prompt_tokens, think_ms, .. } = &p.chat;
                (answer_tokens, prompt_tokens, think_ms)
            }
            Workload::Agent => {
                let Agent { action_tokens, tool_tokens, tool_ms, .. } = &p.agent;
                (action_tokens, tool_tokens, tool_ms)
            }
            Workload::Rag => {
                let Rag { answer_tokens, question_tokens, think_ms, .. } = &p.rag;
                (answer_tokens, question_tokens, think_ms)
            }
        };
        let answered = self.add_private(answer, namer);
        if self.steps_left == 0 || self.context.tokens() > u64::from(p.context_tokens_max) {
            return (answered, Then::End);
        }
        let may_fork = self.workload == Workload::Agent && self.parent.is_none();
        if may_fork && self.source.chance(p.agent.fork_probability) {
            self.waiting_for = self.source.one_to(p.agent.children_max);
            return (answered, Then::Fork(self.waiting_for));
        }
        self.add_private(next, namer);
        (answered, Then::Next(self.gap(gap)))
    }

    /// A child came back. Its report joins the context; if it was the last one, the step goes on after the time
    /// returned.
    pub(super) fn child_reported(&mut self, p: &Params, namer: &mut Namer) -> Option<u64> {
        self.add_private(&p.agent.report_tokens, namer);
        self.waiting_for -= 1;
        (self.waiting_for == 0).then(|| self.gap(&p.agent.tool_ms))
    }

    /// Time until a step, in milliseconds.
    pub(super) fn gap(&mut self, d: &LogNormal) -> u64 {
        self.source.log_normal(d)
    }

    fn add_private(&mut self, tokens: &LogNormal, namer: &mut Namer) -> u32 {
        let tokens = self.source.log_normal(tokens) as u32;
        let text = namer.private();
        self.context.push(namer, text, tokens);
        tokens
    }

    fn add_system(&mut self, system: &System, popularity: &Zipf, seed: u64, namer: &mut Namer) {
        let rank = popularity.draw(&mut self.source);
        // Streams of shared texts: workloads apart in the upper half, ranks in the lower; documents after the
        // workloads.
        let stream = (self.workload as u64) << 32 | u64::from(rank);
        let tokens = Source::new(seed, Domain::Texts, stream).log_normal(&system.tokens) as u32;
        self.context.push(namer, Segment::System(self.workload, rank), tokens);
    }

    fn add_documents(&mut self, rag: &Rag, tables: &Tables, seed: u64, namer: &mut Namer) {
        let wanted = self.source.one_to(rag.documents_max) as usize;
        let mut chosen = Vec::with_capacity(wanted);
        // A strongly skewed popularity may go on giving the same few: then fewer will do.
        for _ in 0..wanted * 16 {
            if chosen.len() == wanted {
                break;
            }
            let document = tables.documents.draw(&mut self.source);
            if !chosen.contains(&document) {
                chosen.push(document);
            }
        }
        chosen.sort_unstable();
        for document in chosen {
            let stream = (Workload::ALL.len() as u64) << 32 | u64::from(document);
            let tokens = Source::new(seed, Domain::Texts, stream).log_normal(&rag.document_tokens) as u32;
            self.context.push(namer, Segment::Document(document), tokens);
        }
    }
}
