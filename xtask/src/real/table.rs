//! What is printed: a line a deed and an expectation while it is played, then both sides' figures.

use std::collections::BTreeSet;
use std::time::Duration;

use standin_testbed::{Options, Program};

use super::fate::{Fate, Played};
use super::story::{Expectation, Figures, Step, Story};

pub(super) fn heading(story: &Story, options: &Options, slack: Duration) -> String {
    let slack = if slack.is_zero() {
        "no tolerance".into()
    } else {
        format!("tolerance {}: real scripts take longer", seconds(slack))
    };
    format!(
        "{}: {}\n{}, {} nodes, {} public addresses, {slack}; beside each time, the simulator's",
        story.file,
        story.title,
        programs(options),
        story.nodes,
        options.public
    )
}

pub(super) fn deed(step: &Step, late: Duration) -> String {
    let late = if late.is_zero() { String::new() } else { format!("  ({} late)", seconds(late)) };
    format!("{:<6}  at {:>8}  {:>9}  {}{late}", "", seconds(step.at), "", step.words)
}

/// When it was decided here and there, after its step.
pub(super) fn fate(one: &Expectation, fate: &Fate) -> String {
    let there = one.simulated.map_or("broken".into(), |after| format!("+{}", seconds(after)));
    let (word, after, why) = match fate {
        Fate::Kept(after) => ("kept", after, String::new()),
        Fate::Broken { after, why, .. } => ("BROKEN", after, format!("  ({why})")),
    };
    format!("{word:<6}  {:>11}  {there:>9}  {}{why}", format!("+{}", seconds(*after)), one.text)
}

/// An address a line: what a client saw of it here, and what it did there.
pub(super) fn figures(story: &Story, options: &Options, played: &Played) -> String {
    let (here, there) = (&played.addresses, &story.simulated.addresses);
    let mut text = String::new();
    if !there.is_empty() {
        let name = programs(options);
        let names = [name.as_str(), "simulated"];
        let mut line = format!("{:<11}", "");
        for what in ["first served", "out", "longest", "twice"] {
            line += &format!("  {what:^21}");
        }
        text += &format!("{}\n", line.trim_end());
        let pair = names.map(|name| format!("{name:>10}")).join(" ");
        text += &format!("{:<11}{}\n", "address", format!("  {pair}").repeat(4));
    }
    for (here, there) in here.iter().zip(there) {
        let first = |one: &Figures| one.first.map_or("never".into(), seconds);
        let pairs = [
            (first(here), first(there)),
            (seconds(here.out), seconds(there.out)),
            (seconds(here.longest), seconds(there.longest)),
            (seconds(here.twice), seconds(there.twice)),
        ];
        let pairs = pairs.map(|(here, there)| format!("  {here:>10} {there:>10}")).concat();
        text += &format!("{:<11}{pairs}\n", there.address);
    }
    let verdict = |status: i64| match status {
        0 => "passed",
        1 => "safety",
        2 => "liveness",
        _ => "crash",
    };
    text += &format!(
        "{}: {}; simulated: {} {}",
        programs(options),
        verdict(played.status.into()),
        verdict(story.simulated.status),
        story.simulated.what
    );
    text.trim_end().to_owned() + "\n"
}

fn programs(options: &Options) -> String {
    let name = |program: &Program| match program {
        Program::Standind { strict: true, .. } => "strict",
        Program::Standind { .. } | Program::Ctdbd => program.name(),
    };
    let names: BTreeSet<&str> = options.programs.iter().map(name).collect();
    Vec::from_iter(names).join(" and ")
}

fn seconds(time: Duration) -> String {
    format!("{:.3}s", time.as_secs_f64())
}
