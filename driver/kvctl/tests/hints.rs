//! Oracle hints, against the future they are derived from.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod policy_common;

use std::collections::HashSet;

use kvctl::hint::{Hint, HintError, Knowledge, Oracle, Told, sessions};
use kvctl::trace::Trace;
use policy_common::*;

/// A step a second, as `--step-ms` has it if left out.
fn steps(trace: &Trace) -> Vec<u32> {
    trace.requests().iter().map(|request| (request.timestamp_ms / 1000) as u32).collect()
}

const PERFECT: Knowledge =
    Knowledge { dead: true, next_use: true, coverage: 1.0, noise: 1.0, lies_dead: 0.0, lies_next_use: 0.0, seed: 1 };

/// All hints of a trace, by request.
fn told(trace: &Trace, knowledge: Knowledge) -> Vec<Vec<Told>> {
    let oracle = Oracle::new(trace, &steps(trace), knowledge).unwrap();
    trace.iter().enumerate().map(|(number, (_, chain))| oracle.after(number, chain)).collect()
}

/// For each reference the request that uses its block next, found by looking.
fn next_use(trace: &Trace, number: usize, tag: u64) -> Option<usize> {
    let later = trace.iter().enumerate().skip(number + 1);
    later.into_iter().find(|(_, (_, chain))| chain.contains(&tag)).map(|(next, _)| next)
}

#[test]
fn perfect_hints_help_and_never_beat_belady() {
    let (capacities, weights) = ("--capacities 250,1k,2k", "--weights 8,4,32,0");
    let plain = rows(&format!("{capacities} {weights}"));
    let (without, best) = (hits(&plain, "device"), hits(&plain, "Belady"));
    for kinds in ["dead", "next-use", "dead,next-use"] {
        let with = device_hits(&format!("{capacities} {weights} --hints {kinds}"));
        assert!(with.iter().zip(&without).all(|(with, without)| with > without), "{kinds}: {with:?}, {without:?}");
        assert!(with.iter().zip(&best).all(|(with, best)| with <= best), "{kinds}: {with:?}, {best:?}");
    }
}

#[test]
fn a_runtime_that_knows_no_session_says_nothing() {
    assert!(told(&sample(), Knowledge { coverage: 0.0, ..PERFECT }).iter().all(Vec::is_empty));
    let none = device_hits("--capacities 500,1k");
    assert_eq!(device_hits("--capacities 500,1k --hints dead,next-use --coverage 0"), none);
}

#[test]
fn hints_follow_from_the_seed() {
    let some = |seed| Knowledge { coverage: 0.5, noise: 4.0, lies_dead: 0.1, lies_next_use: 0.1, seed, ..PERFECT };
    let trace = sample();
    assert_eq!(told(&trace, some(7)), told(&trace, some(7)));
    assert_ne!(told(&trace, some(7)), told(&trace, some(8)));
    let line = "--capacities 500,1k --hints dead,next-use --coverage 0.5 --noise 4 --seed";
    assert_eq!(rows(&format!("{line} 7")), rows(&format!("{line} 7")));
    assert_ne!(device_hits(&format!("{line} 7")), device_hits(&format!("{line} 8")));
}

#[test]
fn more_coverage_adds_hints_and_changes_none() {
    let trace = sample();
    let by_share = [0.25, 0.5, 1.0].map(|coverage| told(&trace, Knowledge { coverage, noise: 4.0, ..PERFECT }));
    let given = by_share.each_ref().map(|all| all.iter().map(Vec::len).sum::<usize>());
    assert!(given[0] < given[1] && given[1] < given[2], "{given:?}");
    assert_eq!(given[2], trace.references());
    for (fewer, more) in by_share.iter().zip(&by_share[1..]) {
        assert!(fewer.iter().zip(more).all(|(fewer, more)| fewer.is_empty() || fewer == more));
    }
}

#[test]
fn perfect_hints_are_the_future() {
    let chains: [&[u64]; 4] = [&[1, 2, 3], &[9], &[1, 2, 4], &[1, 2, 3]];
    let dead = |tag| Told { tag, hint: Hint::Dead };
    let next = |tag, step| Told { tag, hint: Hint::NextUse(step) };
    let trace = trace(&chains);
    let expected = [
        vec![next(1, 2), next(2, 2), next(3, 3)],
        vec![dead(9)],
        vec![next(1, 3), next(2, 3), dead(4)],
        vec![dead(1), dead(2), dead(3)],
    ];
    assert_eq!(told(&trace, PERFECT), expected);
    let only_dead = told(&trace, Knowledge { next_use: false, ..PERFECT });
    assert_eq!(only_dead, [vec![], vec![dead(9)], vec![dead(4)], vec![dead(1), dead(2), dead(3)]]);
    let only_next = told(&trace, Knowledge { dead: false, ..PERFECT });
    assert_eq!(only_next[2..], [vec![next(1, 3), next(2, 3)], vec![]]);
}

#[test]
fn noise_is_one_factor_for_a_request_either_way() {
    let trace = sample();
    let at = steps(&trace);
    let noise = 4.0;
    let [mut longer, mut all] = [0_usize; 2];
    let pairs = told(&trace, PERFECT).into_iter().zip(told(&trace, Knowledge { noise, ..PERFECT }));
    for (number, (exact, noisy)) in pairs.enumerate() {
        let distance = |told: &Told| match told.hint {
            Hint::NextUse(step) => Some(f64::from(step - at[number])),
            Hint::Dead => None,
        };
        // The factors that rounding leaves open, for each block; one of them must do for all.
        let (mut least, mut most) = (1.0 / noise, noise);
        for (exact, noisy) in exact.iter().zip(&noisy) {
            assert_eq!(distance(exact).is_none(), distance(noisy).is_none());
            let (Some(exact), Some(noisy)) = (distance(exact), distance(noisy)) else { continue };
            if exact == 0.0 {
                assert_eq!(noisy, 0.0);
                continue;
            }
            (least, most) = (f64::max(least, (noisy - 0.5) / exact), f64::min(most, (noisy + 0.5) / exact));
        }
        assert!(least <= most + 1e-9, "request {number}: {least} to {most}");
        if most < 1.0 || least > 1.0 {
            all += 1;
            longer += usize::from(least > 1.0);
        }
    }
    let share = longer as f64 / all as f64;
    assert!(all > 200 && (share - 0.5).abs() < 0.1, "{longer} of {all} longer");
}

/// Share of the DEAD hints that name a block which is used again, and their number.
fn wrong_dead(trace: &Trace, knowledge: Knowledge) -> (f64, usize) {
    let (mut dead, mut wrong) = (0_usize, 0_usize);
    for (number, told) in told(trace, knowledge).iter().enumerate() {
        for Told { tag, .. } in told.iter().filter(|told| told.hint == Hint::Dead) {
            dead += 1;
            wrong += usize::from(next_use(trace, number, *tag).is_some());
        }
    }
    (wrong as f64 / dead as f64, wrong)
}

#[test]
fn as_many_dead_hints_are_wrong_as_was_asked() {
    let trace = sample();
    for coverage in [0.5, 1.0] {
        for lies_dead in [0.0, 0.1, 0.5] {
            for next_use in [false, true] {
                let (share, wrong) = wrong_dead(&trace, Knowledge { lies_dead, coverage, next_use, ..PERFECT });
                // A draw is for a request, so that the share spreads as that of its 650 requests.
                assert!((share - lies_dead).abs() < 0.05, "{wrong} wrong, {share} of all, {lies_dead} asked");
            }
        }
    }
    let all = Oracle::new(&trace, &steps(&trace), Knowledge { lies_dead: 0.99, ..PERFECT }).unwrap_err();
    assert!(matches!(all, HintError::TooManyLies { .. }), "{all}");
    let told = all.to_string();
    assert!(told.contains("--lies-dead 0.99") && told.contains("at most 0.6"), "{told}");
}

#[test]
fn next_use_lies_name_any_step_of_the_trace() {
    let trace = sample();
    let (exact, lies) = (told(&trace, PERFECT), told(&trace, Knowledge { lies_next_use: 0.2, ..PERFECT }));
    let (at, last) = (steps(&trace), *steps(&trace).last().unwrap());
    let (mut all, mut wrong, mut short) = (0_usize, 0_usize, 0_usize);
    for (number, (exact, lies)) in exact.iter().zip(&lies).enumerate() {
        for (exact, lie) in exact.iter().zip(lies) {
            let Hint::NextUse(step) = lie.hint else { continue };
            all += 1;
            if exact != lie {
                let distance = step - at[number];
                assert!((1..=last).contains(&distance), "{distance}");
                wrong += 1;
                short += usize::from(f64::from(distance) < f64::from(last).sqrt());
            }
        }
    }
    let share = wrong as f64 / all as f64;
    // A few lies happen to be true.
    assert!((0.18..0.21).contains(&share), "{share}");
    // Half of the magnitudes lie below the geometric middle.
    assert!((0.4..0.6).contains(&(short as f64 / wrong as f64)), "{short} of {wrong}");
}

fn sessions_of(chains: &[&[u64]]) -> Vec<u32> {
    sessions(&trace(chains).dense())
}

#[test]
fn a_turn_goes_on_from_the_end_of_the_turn_before() {
    // Full last block; a partly filled one, replaced; the same once more; the request sent again.
    assert_eq!(sessions_of(&[&[1, 2], &[1, 2, 3]]), [0, 0]);
    assert_eq!(sessions_of(&[&[1, 2, 30], &[1, 2, 3, 40], &[1, 2, 3, 4, 5]]), [0, 0, 0]);
    assert_eq!(sessions_of(&[&[1, 2, 3], &[1, 2, 3]]), [0, 0]);
    // Sessions that take turns.
    assert_eq!(sessions_of(&[&[1, 2], &[11, 12], &[1, 2, 3], &[11, 12, 13]]), [0, 1, 0, 1]);
}

#[test]
fn a_shared_prefix_is_no_session() {
    // Long prompts behind a system prompt.
    assert_eq!(sessions_of(&[&[1, 2, 3, 4], &[1, 12, 13, 14], &[1, 2, 3, 4, 5], &[1, 12, 13, 14, 15]]), [0, 1, 0, 1]);
    // Short ones: the first looks like a turn that left its last block behind, and no other does.
    assert_eq!(sessions_of(&[&[1, 2], &[1, 3], &[1, 4], &[1, 5]]), [0, 0, 2, 3]);
    // Nothing in common.
    assert_eq!(sessions_of(&[&[1, 2], &[3, 4]]), [0, 1]);
}

#[test]
fn a_second_branch_is_a_session_of_its_own() {
    // Another answer to turn 1, after turn 2.
    assert_eq!(sessions_of(&[&[1, 2], &[1, 2, 3, 4], &[1, 2, 5, 6], &[1, 2, 3, 4, 7]]), [0, 0, 2, 0]);
    // Turn 1 again, after turn 2.
    assert_eq!(sessions_of(&[&[1, 2], &[1, 2, 3, 4], &[1, 2]]), [0, 0, 2]);
}

#[test]
fn a_covered_session_is_covered_whole() {
    let trace = sample();
    let sessions = sessions(&trace.dense());
    let told = told(&trace, Knowledge { coverage: 0.5, ..PERFECT });
    let covered: HashSet<u32> =
        sessions.iter().zip(&told).filter(|(_, told)| !told.is_empty()).map(|(s, _)| *s).collect();
    for (number, (session, told)) in sessions.iter().zip(&told).enumerate() {
        assert_eq!(!told.is_empty(), covered.contains(session), "request {number} of session {session}");
    }
    let all: HashSet<_> = sessions.into_iter().collect();
    let share = covered.len() as f64 / all.len() as f64;
    assert!((share - 0.5).abs() < 0.1, "{share}");
}
