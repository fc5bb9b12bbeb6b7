//! The clock: events in order of time, ties in order of their making, until there are requests enough.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::context::Namer;
use super::dist::{Domain, Source};
use super::session::{Session, Tables, Then};
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
            Event::Step(session) => engine.step(now_ms, session)?,
        }
    }
    Ok(engine.builder.finish())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Step(usize),
}

struct Engine<'a> {
    params: &'a Params,
    tables: Tables,
    arrivals: Source,
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
            namer: Namer::default(),
            events: BinaryHeap::new(),
            events_made: 0,
            sessions: Vec::new(),
            builder: Builder::default(),
            candidate: Candidate::default(),
        };
        engine.schedule(0, Event::Arrival);
        engine
    }

    fn schedule(&mut self, at_ms: u64, event: Event) {
        self.events.push(Reverse((at_ms, self.events_made, event)));
        self.events_made += 1;
    }

    /// A session arrives and sends its first request; the next arrival is drawn.
    fn arrive(&mut self, now_ms: u64) {
        let workload = match self.params.workload {
            Workload::Mixed => mixed(&self.params.mix, self.arrivals.uniform()),
            one => one,
        };
        let number = self.sessions.len();
        let session = Session::begin(workload, number as u64, self.params, &self.tables, &mut self.namer);
        self.sessions.push(Some(session));
        self.schedule(now_ms, Event::Step(number));
        let gap_ms = self.arrivals.exponential(1e3 / self.params.sessions_per_s);
        self.schedule(now_ms + gap_ms, Event::Arrival);
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

/// Which workload a draw falls on.
fn mixed(mix: &Mix, uniform: f64) -> Workload {
    let at = uniform * (mix.chat + mix.agent + mix.rag);
    if at < mix.chat {
        Workload::Chat
    } else if at < mix.chat + mix.agent {
        Workload::Agent
    } else {
        Workload::Rag
    }
}
