//! The sweep as one HTML page: a plot and a table for each trace, made of the replay page's parts.

use super::report::{Sweep, Swept};
use crate::baseline::Kind;
use crate::replay::ReplayError;
use crate::replay::html::curve::{Curve, Player};
use crate::replay::html::{curve_plot, numbers, page as parts};

/// The page.
pub(super) fn page(sweep: &Sweep) -> Result<String, ReplayError> {
    let sections = sweep.traces.iter().enumerate().map(|(number, swept)| {
        let body = section(swept)?;
        Ok(parts::section(&format!("trace-{number}"), &swept.trace, &body))
    });
    let sections: String = sections.collect::<Result<_, ReplayError>>()?;
    let command = format!("<pre>{}</pre>", parts::escape(&parts::command_line()));
    let body = sections + &parts::section("command", "Command", &command);
    Ok(parts::document("kvctl policy: hit rate against capacity", &body))
}

fn section(swept: &Swept) -> Result<String, ReplayError> {
    let line = |(who, hits): &(Option<Kind>, Vec<u64>)| {
        let hit_pct = swept.hit_pct(hits).into_iter().map(Some).collect();
        (who.map_or(Player::Device, Player::Policy), hit_pct)
    };
    let curve = Curve {
        capacities: swept.capacities.iter().map(|&capacity| capacity as usize).collect(),
        lines: swept.lines.iter().map(line).collect(),
        replayed: None,
        hints: swept.hints.clone(),
    };
    let note = "All series play the same references. Each point of the device's line is a replay on a device of its own with \
                T1 alone and no bytes. Belady knows the future and is the most any cache of that size can hit.";
    let figure = parts::figure(&curve_plot::legend(&curve), &curve_plot::draw(&curve)?, note);
    let told = match swept.told() {
        told if told.is_empty() => told,
        told => format!("<p>{}.</p>\n", parts::escape(&told)),
    };
    let heading = parts::escape(&swept.heading());
    Ok(format!("<p>{heading}.</p>\n{told}{figure}{}{}", numbers::curve(&curve), gap(swept)))
}

/// The shares of the gap between LRU and Belady.
fn gap(swept: &Swept) -> String {
    let names = swept.capacities.iter().map(|&capacity| parts::count(capacity.into()));
    let header: Vec<String> = std::iter::once("LRU-Belady gap closed, % at".to_string()).chain(names).collect();
    let device = swept.lines.iter().filter(|(who, _)| who.is_none());
    let rows: Vec<Vec<String>> = device
        .map(|(_, hits)| {
            let cells = swept.gap_closed(hits).into_iter();
            let cells = cells.map(|gap| gap.map_or_else(|| "\u{2013}".to_string(), |gap| format!("{gap:.1}")));
            std::iter::once(swept.device_name()).chain(cells).collect()
        })
        .collect();
    parts::table(&header, &rows)
}
