//! Refuses parameters that would give no trace, or one that no memory holds, and names the first of them.

use thiserror::Error;

use super::params::{LogNormal, Params};

/// Why a trace could not be made.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GenerateError {
    /// A parameter makes no sense.
    #[error("parameter `{name}` is {value}, expected {expected}")]
    Parameter {
        /// The parameter, as in the serialised form.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// More references than a trace in memory can number.
    #[error("request {request} would bring the trace over 2^32 - 2 block references; ask for fewer requests")]
    TooLarge {
        /// The request that would not fit.
        request: usize,
    },
}

impl Params {
    /// Refuses parameters that would give no trace or never end.
    pub fn check(&self) -> Result<(), GenerateError> {
        let Self { chat, agent, rag, mix, drift, batch, scan, r#loop, .. } = self;
        at_least_one("requests", self.requests as f64)?;
        at_least_one("block_tokens", f64::from(self.block_tokens))?;
        at_least_one("context_tokens_max", f64::from(self.context_tokens_max))?;
        for (name, per_s) in [
            ("sessions_per_s", self.sessions_per_s),
            ("batch.jobs_per_s", batch.jobs_per_s),
            ("scan.pages_per_s", scan.pages_per_s),
        ] {
            check(name, per_s, "1e-6 to 1e6", |v| (1e-6..=1e6).contains(&v))?;
        }
        for (name, system) in
            [("chat.system", &chat.system), ("agent.system", &agent.system), ("rag.system", &rag.system)]
        {
            at_least_one(name, f64::from(system.prompts))?;
            check(name, system.zipf, "an exponent from 0 to 10", |v| (0.0..=10.0).contains(&v))?;
            lengths(name, &system.tokens)?;
        }
        for (name, value) in [
            ("chat.turns_mean", chat.turns_mean),
            ("agent.steps_mean", agent.steps_mean),
            ("agent.child_steps_mean", agent.child_steps_mean),
            ("rag.questions_mean", rag.questions_mean),
            ("batch.questions_mean", batch.questions_mean),
            ("drift.ranks", f64::from(drift.ranks)),
            ("loop.prompts", f64::from(r#loop.prompts)),
            ("loop.period_ms", f64::from(r#loop.period_ms)),
        ] {
            at_least_one(name, value)?;
        }
        for (name, most) in [("agent.children_max", agent.children_max), ("rag.documents_max", rag.documents_max)] {
            check(name, f64::from(most), "1 to 100", |v| (1.0..=100.0).contains(&v))?;
        }
        for (name, d) in [
            ("chat.first_tokens", &chat.first_tokens),
            ("chat.prompt_tokens", &chat.prompt_tokens),
            ("chat.answer_tokens", &chat.answer_tokens),
            ("chat.think_ms", &chat.think_ms),
            ("agent.task_tokens", &agent.task_tokens),
            ("agent.action_tokens", &agent.action_tokens),
            ("agent.tool_tokens", &agent.tool_tokens),
            ("agent.tool_ms", &agent.tool_ms),
            ("agent.report_tokens", &agent.report_tokens),
            ("rag.document_tokens", &rag.document_tokens),
            ("rag.question_tokens", &rag.question_tokens),
            ("rag.answer_tokens", &rag.answer_tokens),
            ("rag.think_ms", &rag.think_ms),
            ("drift.hot_ms", &drift.hot_ms),
            ("batch.document_tokens", &batch.document_tokens),
            ("batch.question_tokens", &batch.question_tokens),
            ("batch.answer_tokens", &batch.answer_tokens),
            ("batch.gap_ms", &batch.gap_ms),
            ("scan.page_tokens", &scan.page_tokens),
            ("scan.answer_tokens", &scan.answer_tokens),
            ("loop.prompt_tokens", &r#loop.prompt_tokens),
            ("loop.answer_tokens", &r#loop.answer_tokens),
        ] {
            lengths(name, d)?;
        }
        check("agent.fork_probability", agent.fork_probability, "0 to 1", |v| (0.0..=1.0).contains(&v))?;
        for (name, zipf) in [("rag.zipf", rag.zipf), ("drift.zipf", drift.zipf)] {
            check(name, zipf, "an exponent from 0 to 10", |v| (0.0..=10.0).contains(&v))?;
        }
        // So that there are at most some 100,000 documents alive.
        check("drift.birth_ms", drift.birth_ms, "from 1 and drift.hot_ms.max / 100,000 to 1e9", |v| {
            (1.0..=1e9).contains(&v) && v >= drift.hot_ms.max / 1e5
        })?;
        let documents = f64::from(rag.documents);
        check("rag.documents", documents, "at least rag.documents_max", |v| v >= f64::from(rag.documents_max))?;
        for share in [mix.chat, mix.agent, mix.rag] {
            check("mix", share, "shares not negative, their sum positive", |v| (0.0..=1e6).contains(&v))?;
        }
        check("mix", mix.chat + mix.agent + mix.rag, "shares not negative, their sum positive", |v| v > 0.0)
    }
}

fn check(
    name: &'static str,
    value: f64,
    expected: &'static str,
    ok: impl Fn(f64) -> bool,
) -> Result<(), GenerateError> {
    if ok(value) { Ok(()) } else { Err(GenerateError::Parameter { name, value, expected }) }
}

fn at_least_one(name: &'static str, value: f64) -> Result<(), GenerateError> {
    check(name, value, "1 or more", |v| v.is_finite() && v >= 1.0)
}

fn lengths(name: &'static str, d: &LogNormal) -> Result<(), GenerateError> {
    check(name, d.p10, "0 < p10 <= p50", |v| v > 0.0 && v <= d.p50)?;
    check(name, d.max, "a max from p50 to 2^24", |v| v >= d.p50.max(1.0) && v <= f64::from(1 << 24))
}
