//! Random draws that are the same everywhere.
//!
//! Uniforms are the upper 53 bits of ChaCha8 output; everything else is IEEE-exact arithmetic and functions of the
//! `libm` crate.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::params::LogNormal;

/// The 90% quantile of the standard normal distribution: a lognormal's ln(p50/p10) over its sigma.
const NORMAL_P90: f64 = 1.281_551_565_544_600_4;
/// Bound on geometric draws, so that no session is endless.
const GEOMETRIC_MAX: f64 = 10_000.0;

/// What a stream of randomness is for; each kind has 2^56 streams.
#[derive(Clone, Copy, Debug)]
pub(super) enum Domain {
    /// When sessions arrive and what kind they are; in stream 1, when what comes besides arrives.
    Arrivals = 0,
    /// Lengths of shared texts, a stream for each.
    Texts = 1,
    /// What happens in a session, a stream for each.
    Sessions = 2,
    /// When documents are born that are talked about for a time, and for how long.
    Births = 3,
}

/// One stream of randomness.
#[derive(Clone, Debug)]
pub(super) struct Source(ChaCha8Rng);

impl Source {
    pub(super) fn new(seed: u64, domain: Domain, index: u64) -> Self {
        // The key is written out here because `seed_from_u64` is a matter of the library, not of the algorithm.
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream((domain as u64) << 56 | index);
        Self(rng)
    }

    /// Uniform in [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in 1..=max.
    pub(super) fn one_to(&mut self, max: u32) -> u32 {
        1 + (self.uniform() * f64::from(max)) as u32
    }

    /// Whether something of this probability happens.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Exponential with this mean, to the nearest integer.
    pub(super) fn exponential(&mut self, mean: f64) -> u64 {
        libm::round(-libm::log(1.0 - self.uniform()) * mean) as u64
    }

    /// Geometric on 1, 2, … with this mean.
    pub(super) fn geometric(&mut self, mean: f64) -> u32 {
        if mean <= 1.0 {
            return 1;
        }
        let trials = libm::log(1.0 - self.uniform()) / libm::log(1.0 - 1.0 / mean);
        1 + libm::floor(trials).min(GEOMETRIC_MAX) as u32
    }

    /// Lognormal, to the nearest integer in 1..=max.
    pub(super) fn log_normal(&mut self, d: &LogNormal) -> u64 {
        let sigma = libm::log(d.p50 / d.p10) / NORMAL_P90;
        libm::round(d.p50 * libm::exp(sigma * self.normal())).clamp(1.0, d.max) as u64
    }

    /// Standard normal (Box and Muller 1958, the cosine half).
    fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}

/// Popularity by rank: item k of 0..n is drawn in proportion to (k + 1)^-exponent.
#[derive(Clone, Debug)]
pub(super) struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    pub(super) fn new(items: u32, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=items).map(|k| {
            sum += libm::pow(f64::from(k), -exponent);
            sum
        });
        Self { cumulative: weights.collect() }
    }

    pub(super) fn draw(&self, source: &mut Source) -> u32 {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let at = source.uniform() * total;
        let item = self.cumulative.partition_point(|&c| c <= at);
        item.min(self.cumulative.len() - 1) as u32
    }
}
