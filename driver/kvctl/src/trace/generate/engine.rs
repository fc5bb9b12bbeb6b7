//! The clock: events in order of time, ties in order of their making, until there are requests enough.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::context::Namer;
use super::dist::{Domain, Source};
use super::session::{Kind, Session, Tables, Then};
use super::{GenerateError, Mix, Params, Workload};
use crate::trace::Trace;
use crate::trace::check::{Builder, Candidate};

/// Makes a trace. The same parameters give the same trace, on every platform.
pub fn generate(params: &Params) -> Result<Trace, GenerateError> {
    params.check()?;
    let mut engine = Engine::new(params);
    while engine.builder.len() < params.requests {
        let Some(Reverse((now_ms, _, event))) = engine.events.pop() else { break };
        match event {
            Event::Arrival => engine.arrive(now_ms),
            Event::Beside => engine.arrive_beside(now_ms),
            Event::Step(session) => engine.step(now_ms, session)?,
        }
    }
    Ok(engine.builder.finish())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Of a session of the ordinary kind.
    Arrival,
    /// Of what has a clock of its own: jobs, crawled pages, the regression set.
    Beside,
    Step(usize),
}

struct Engine<'a> {
    params: &'a Params,
    tables: Tables,
    arrivals: Source,
    beside: Source,
    /// How much has arrived beside the sessions.
    beside_made: u64,
    namer: Namer,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    events_made: u64,
    /// Sessions by number; those that are over are `None`.
    sessions: Vec<Option<Session>>,
    builder: Builder,
    candidate: Candidate,
}

impl<'a> Engine<'a> {
    fn new(params: &'a Params) -> Self {
        let mut engine = Self {
            params,
            tables: Tables::new(params),
            arrivals: Source::new(params.seed, Domain::Arrivals, 0),
            beside: Source::new(params.seed, Domain::Arrivals, 1),
            beside_made: 0,
            namer: Namer::default(),
            events: BinaryHeap::new(),
            events_made: 0,
            sessions: Vec::new(),
            builder: Builder::default(),
            candidate: Candidate::default(),
        };
        engine.schedule(0, Event::Arrival);
        engine.schedule(0, Event::Beside);
        engine
    }

    fn schedule(&mut self, at_ms: u64, event: Event) {
        self.events.push(Reverse((at_ms, self.events_made, event)));
        self.events_made += 1;
    }

    /// A session arrives; the next arrival is drawn.
    fn arrive(&mut self, now_ms: u64) {
        let kind = match self.params.workload {
            Workload::Chat | Workload::Batch | Workload::Scan | Workload::Loop => Kind::Chat,
            Workload::Agent => Kind::Agent,
            Workload::Rag => Kind::Rag,
            Workload::Mixed => mixed(&self.params.mix, self.arrivals.uniform()),
            Workload::Drift => {
                self.tables.news.advance(now_ms);
                Kind::News
            }
        };
        self.begin(now_ms, kind);
        let gap_ms = self.arrivals.exponential(1e3 / self.params.sessions_per_s);
        self.schedule(now_ms + gap_ms, Event::Arrival);
    }

    /// What the workload has beside its sessions arrives, if it has such; the next arrival is drawn.
    fn arrive_beside(&mut self, now_ms: u64) {
        let Params { batch, scan, r#loop, .. } = self.params;
        let made = self.beside_made;
        let (kind, next_ms) = match self.params.workload {
            Workload::Batch => (Kind::Job, now_ms + self.beside.exponential(1e3 / batch.jobs_per_s)),
            Workload::Scan => (Kind::Page, now_ms + self.beside.exponential(1e3 / scan.pages_per_s)),
            Workload::Loop => {
                let prompt = (made % u64::from(r#loop.prompts)) as u32;
                (Kind::Regression(prompt), r#loop.due_ms(made + 1))
            }
            Workload::Chat | Workload::Agent | Workload::Rag | Workload::Mixed | Workload::Drift => return,
        };
        self.beside_made += 1;
        self.begin(now_ms, kind);
        self.schedule(next_ms, Event::Beside);
    }

    /// A session sends its first request.
    fn begin(&mut self, now_ms: u64, kind: Kind) {
        let number = self.sessions.len();
        let session = Session::begin(kind, number as u64, self.params, &self.tables, &mut self.namer);
        self.sessions.push(Some(session));
        self.schedule(now_ms, Event::Step(number));
    }

    fn step(&mut self, now_ms: u64, number: usize) -> Result<(), GenerateError> {
        let Some(mut session) = self.sessions[number].take() else { return Ok(()) };
        let tokens = session.prompt(&mut self.namer, &mut self.candidate.ids);
        if !self.builder.fits(self.candidate.ids.len()) {
            return Err(GenerateError::TooLarge { request: self.builder.len() + 1 });
        }
        let (answer, then) = session.step(self.params, &mut self.namer);
        self.candidate.timestamp_ms = now_ms;
        self.candidate.input_tokens = tokens as u32;
        self.candidate.output_tokens = answer;
        self.builder.push(&self.candidate).expect("made requests are in order and prefix-closed");
        match then {
            Then::Next(gap_ms) => {
                self.schedule(now_ms + gap_ms, Event::Step(number));
                self.sessions[number] = Some(session);
            }
            Then::Fork(children) => {
                for _ in 0..children {
                    let child_number = self.sessions.len();
                    let mut child = session.fork(number, child_number as u64, self.params, &mut self.namer);
                    let gap_ms = child.gap(&self.params.agent.tool_ms);
                    self.sessions.push(Some(child));
                    self.schedule(now_ms + gap_ms, Event::Step(child_number));
                }
                self.sessions[number] = Some(session);
            }
            Then::End => self.report(now_ms, session.parent),
        }
        Ok(())
    }

    /// A session is over; an agent that waits for it hears of it.
    fn report(&mut self, now_ms: u64, parent: Option<usize>) {
        let Some(number) = parent else { return };
        let Some(agent) = &mut self.sessions[number] else { return };
        if let Some(gap_ms) = agent.child_reported(self.params, &mut self.namer) {
            self.schedule(now_ms + gap_ms, Event::Step(number));
        }
    }
}

/// Which kind of session a draw falls on.
fn mixed(mix: &Mix, uniform: f64) -> Kind {
    let at = uniform * (mix.chat + mix.agent + mix.rag);
    if at < mix.chat {
        Kind::Chat
    } else if at < mix.chat + mix.agent {
        Kind::Agent
    } else {
        Kind::Rag
    }
}
