//! What the runtime knows of the future, as options, and the label that outputs carry.

use std::fmt;

use clap::{Args, ValueEnum};

/// What outputs say where no hints were given.
pub const NO_HINTS: &str = "none";

/// A kind of hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HintKind {
    /// DEAD: the block is never needed again
    Dead,
    /// PREFETCH: the step at which the block is needed next
    NextUse,
}

/// The options that give the device oracle hints.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Oracle hints")]
pub struct HintArgs {
    /// Tell the device of the trace's own future: dead, next-use, or both
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KINDS")]
    pub hints: Vec<HintKind>,
    /// Share of the sessions that the runtime knows of, 0 to 1
    #[arg(long, default_value_t = 1.0, value_name = "SHARE", value_parser = share, requires = "hints")]
    pub coverage: f64,
    /// The distance to the next use is too long or too short by this factor, each as often; 1 is exact
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = noise, requires = "hints")]
    pub noise: f64,
    /// Share of the hints, of each kind, that are wrong
    #[arg(long, value_name = "SHARE", value_parser = part, requires = "hints")]
    pub lies: Option<f64>,
    /// Share of the DEAD hints that name a block which is used again; wins over --lies
    #[arg(long, value_name = "SHARE", value_parser = part, requires = "hints")]
    pub lies_dead: Option<f64>,
    /// Share of the next-use hints that name a random step; wins over --lies
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "hints")]
    pub lies_next_use: Option<f64>,
    /// Seed of all draws
    #[arg(long, default_value_t = 1, value_name = "N", requires = "hints")]
    pub seed: u64,
}

fn real(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number; write for example 0.5"))
}

fn share(text: &str) -> Result<f64, String> {
    match real(text)? {
        share if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is 0 to 1; write for example 0.5".into()),
    }
}

/// A share of what also holds the rest, so less than all.
fn part(text: &str) -> Result<f64, String> {
    match share(text)? {
        1.0 => Err("not all hints can be wrong, since the share is of all that are sent; stay below 1".into()),
        part => Ok(part),
    }
}

fn noise(text: &str) -> Result<f64, String> {
    match real(text)? {
        factor if factor >= 1.0 && factor.is_finite() => Ok(factor),
        _ => Err("the factor is at least 1, where 1 means exact distances; write for example 4".into()),
    }
}

/// Why the hints asked for cannot be given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HintError {
    /// Lies of a kind that is not told.
    #[error("{option} is about hints that are not given; add {kind} to --hints, or leave {option} out")]
    KindNotGiven {
        /// The option.
        option: &'static str,
        /// The kind it is about.
        kind: &'static str,
    },
    /// There are too few live blocks to call dead.
    #[error(
        "--lies-dead {asked} needs {wanted:.0} wrong DEAD hints beside {dead} right ones, and the trace has {live} chances \
         to give one; ask for at most {most:.3}"
    )]
    TooManyLies {
        /// The share asked for.
        asked: f64,
        /// Wrong hints that makes.
        wanted: f64,
        /// Chances for a right DEAD hint.
        dead: usize,
        /// Chances for a wrong one.
        live: usize,
        /// The greatest share there can be.
        most: f64,
    },
}

/// What the runtime knows of the future, and how well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knowledge {
    /// It says which blocks are never needed again.
    pub dead: bool,
    /// It says when blocks are needed next.
    pub next_use: bool,
    /// Share of the sessions it knows of.
    pub coverage: f64,
    /// Factor by which distances are off, one way or the other.
    pub noise: f64,
    /// Share of the DEAD hints that are wrong.
    pub lies_dead: f64,
    /// Share of the next-use hints that are wrong.
    pub lies_next_use: f64,
    /// Seed of all draws.
    pub seed: u64,
}

impl HintArgs {
    /// What was asked for; `None` if no hints were.
    pub fn knowledge(&self) -> Result<Option<Knowledge>, HintError> {
        let dead = self.hints.contains(&HintKind::Dead);
        let next_use = self.hints.contains(&HintKind::NextUse);
        if !dead && !next_use {
            return Ok(None);
        }
        if self.lies_dead.is_some() && !dead {
            return Err(HintError::KindNotGiven { option: "--lies-dead", kind: "dead" });
        }
        if self.lies_next_use.is_some() && !next_use {
            return Err(HintError::KindNotGiven { option: "--lies-next-use", kind: "next-use" });
        }
        let lies = self.lies.unwrap_or(0.0);
        Ok(Some(Knowledge {
            dead,
            next_use,
            coverage: self.coverage,
            noise: self.noise,
            lies_dead: if dead { self.lies_dead.unwrap_or(lies) } else { 0.0 },
            lies_next_use: if next_use { self.lies_next_use.unwrap_or(lies) } else { 0.0 },
            seed: self.seed,
        }))
    }
}

impl fmt::Display for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = match (self.dead, self.next_use) {
            (true, true) => "dead,next-use",
            (true, false) => "dead",
            (false, true) => "next-use",
            (false, false) => return f.write_str(NO_HINTS),
        };
        write!(f, "{kinds} coverage={} noise={}", self.coverage, self.noise)?;
        if self.lies_dead > 0.0 {
            write!(f, " lies-dead={}", self.lies_dead)?;
        }
        if self.lies_next_use > 0.0 {
            write!(f, " lies-next-use={}", self.lies_next_use)?;
        }
        write!(f, " seed={} (oracle)", self.seed)
    }
}
