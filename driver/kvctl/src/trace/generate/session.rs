//! What a session does: text it adds before a request, text it adds after, and the time until the next.
//!
//! ```text
//!   chat    [system][first prompt] ▸ [answer][prompt] ▸ [answer][prompt] ▸ …           think time between
//!   agent   [system][task] ▸ [action][tool output] ▸ [action] ─┬ fork: [instruction] ▸ [action][tool output] ▸ …
//!                                                              └ …and when all are back: [report][report] ▸ …
//!   rag     [system][document][document][question] ▸ [answer][question] ▸ …             think time between
//!   job     [document]─┬[question] ▸
//!                      ├[question] ▸                                                     a second between
//!                      └…
//!   page    [page] ▸
//!   set     [prompt of the set] ▸
//! ```
//!
//! `▸` is a request: all the text to its left is its prompt.

use super::adverse::Batch;
use super::context::{Context, Namer, Segment, Shelf};
use super::dist::{Domain, Source, Zipf};
use super::news::News;
use super::params::{Agent, Chat, LogNormal, Params, Rag, System};

/// What kind of session one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A conversation.
    Chat,
    /// An agent, or a sub-agent.
    Agent,
    /// Questions over documents of the collection.
    Rag,
    /// Questions over documents that are talked about.
    News,
    /// Questions over a document of its own.
    Job,
    /// A crawled page.
    Page,
    /// This prompt of the regression set.
    Regression(u32),
}

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
    /// What the documents are where popularity moves.
    pub(super) news: News,
}

impl Tables {
    pub(super) fn new(p: &Params) -> Self {
        let system = |s: &System| Zipf::new(s.prompts, s.zipf);
        Self {
            chat: system(&p.chat.system),
            agent: system(&p.agent.system),
            rag: system(&p.rag.system),
            documents: Zipf::new(p.rag.documents, p.rag.zipf),
            news: News::new(&p.drift, p.seed),
        }
    }
}

/// A session of any kind.
pub(super) struct Session {
    kind: Kind,
    source: Source,
    context: Context,
    /// What every prompt begins with anew, if the session's requests do not build on each other.
    base: Option<Context>,
    steps_left: u32,
    /// The agent that waits for this one.
    pub(super) parent: Option<usize>,
    /// Children that this agent waits for.
    pub(super) waiting_for: u32,
}

impl Session {
    /// A new session, up to and including the text of its first request.
    pub(super) fn begin(kind: Kind, number: u64, p: &Params, tables: &Tables, namer: &mut Namer) -> Self {
        let source = Source::new(p.seed, Domain::Sessions, number);
        let mut session = Self::new(kind, source, Context::new(p.block_tokens));
        match kind {
            Kind::Chat => {
                session.steps_left = session.source.geometric(p.chat.turns_mean);
                session.add_system(Shelf::Chat, &p.chat.system, &tables.chat, p.seed, namer);
                session.add_private(&p.chat.first_tokens, namer);
            }
            Kind::Agent => {
                session.steps_left = session.source.geometric(p.agent.steps_mean);
                session.add_system(Shelf::Agent, &p.agent.system, &tables.agent, p.seed, namer);
                session.add_private(&p.agent.task_tokens, namer);
            }
            Kind::Rag | Kind::News => {
                session.steps_left = session.source.geometric(p.rag.questions_mean);
                session.add_system(Shelf::Rag, &p.rag.system, &tables.rag, p.seed, namer);
                session.add_documents(p, tables, namer);
                session.add_private(&p.rag.question_tokens, namer);
            }
            Kind::Job => {
                session.steps_left = session.source.geometric(p.batch.questions_mean);
                session.add_private(&p.batch.document_tokens, namer);
                session.base = Some(session.context.clone());
                session.add_private(&p.batch.question_tokens, namer);
            }
            Kind::Page => {
                session.add_private(&p.scan.page_tokens, namer);
            }
            Kind::Regression(prompt) => {
                session.add_shared(Shelf::Regression, prompt, &p.r#loop.prompt_tokens, p.seed, namer);
            }
        }
        session
    }

    /// A session of one step and no text yet.
    fn new(kind: Kind, source: Source, context: Context) -> Self {
        Self { kind, source, context, base: None, steps_left: 1, parent: None, waiting_for: 0 }
    }

    /// A sub-agent that continues from this agent's context.
    pub(super) fn fork(&self, own: usize, number: u64, p: &Params, namer: &mut Namer) -> Self {
        let mut source = Source::new(p.seed, Domain::Sessions, number);
        let steps_left = source.geometric(p.agent.child_steps_mean);
        let mut child = Self { steps_left, parent: Some(own), ..Self::new(Kind::Agent, source, self.context.clone()) };
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
        let (answer, more) = match self.kind {
            Kind::Chat => {
                let Chat { answer_tokens, prompt_tokens, think_ms, .. } = &p.chat;
                (answer_tokens, Some((prompt_tokens, think_ms)))
            }
            Kind::Agent => {
                let Agent { action_tokens, tool_tokens, tool_ms, .. } = &p.agent;
                (action_tokens, Some((tool_tokens, tool_ms)))
            }
            Kind::Rag | Kind::News => {
                let Rag { answer_tokens, question_tokens, think_ms, .. } = &p.rag;
                (answer_tokens, Some((question_tokens, think_ms)))
            }
            Kind::Job => {
                let Batch { answer_tokens, question_tokens, gap_ms, .. } = &p.batch;
                (answer_tokens, Some((question_tokens, gap_ms)))
            }
            Kind::Page => (&p.scan.answer_tokens, None),
            Kind::Regression(_) => (&p.r#loop.answer_tokens, None),
        };
        let answered = self.add_private(answer, namer);
        let over = self.steps_left == 0 || self.context.tokens() > u64::from(p.context_tokens_max);
        let (false, Some((next, gap))) = (over, more) else { return (answered, Then::End) };
        let may_fork = self.kind == Kind::Agent && self.parent.is_none();
        if may_fork && self.source.chance(p.agent.fork_probability) {
            self.waiting_for = self.source.one_to(p.agent.children_max);
            return (answered, Then::Fork(self.waiting_for));
        }
        if let Some(base) = &self.base {
            self.context = base.clone();
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

    fn add_shared(&mut self, shelf: Shelf, number: u32, tokens: &LogNormal, seed: u64, namer: &mut Namer) {
        let stream = (shelf as u64) << 32 | u64::from(number);
        let tokens = Source::new(seed, Domain::Texts, stream).log_normal(tokens) as u32;
        self.context.push(namer, Segment::Shared(shelf, number), tokens);
    }

    fn add_system(&mut self, shelf: Shelf, system: &System, popularity: &Zipf, seed: u64, namer: &mut Namer) {
        let rank = popularity.draw(&mut self.source);
        self.add_shared(shelf, rank, &system.tokens, seed, namer);
    }

    fn add_documents(&mut self, p: &Params, tables: &Tables, namer: &mut Namer) {
        let wanted = self.source.one_to(p.rag.documents_max) as usize;
        // By rank, then number: in the collection these are the same.
        let mut chosen: Vec<(u32, u32)> = Vec::with_capacity(wanted);
        // A strongly skewed popularity may go on giving the same few, and there may be no news: then fewer will do.
        for _ in 0..wanted * 16 {
            if chosen.len() == wanted {
                break;
            }
            let drawn = match self.kind {
                Kind::News => tables.news.draw(&mut self.source),
                _ => Some(tables.documents.draw(&mut self.source)).map(|rank| (rank, rank)),
            };
            chosen.extend(drawn.filter(|document| !chosen.contains(document)));
        }
        chosen.sort_unstable();
        for (_, document) in chosen {
            self.add_shared(Shelf::Documents, document, &p.rag.document_tokens, p.seed, namer);
        }
    }
}
