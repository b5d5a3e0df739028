//! One seed: what it drew, what came of it, and how to see it again.

use std::io::{self, BufWriter, Write};
use std::time::Duration as Wall;

use standin_sim::campaign::{Difference, check_determinism, prepare};
use standin_sim::kit::Kit;
use standin_sim::outcome::{Outcome, Verdict};
use standin_sim::plan::{Plan, Wishes};
use standin_sim::run::play;
use standin_sim::trace::Line;

use super::file::Aside;
use super::options::{Sim, families};
use super::show::{Paint, addresses, facts, figures, grouped, indented, long, rate, section, spinner, tally};
use super::{PROTOCOLS, Refusal, print, wall};

/// Runs it; the answer is the verdict's exit status.
pub(crate) fn run<K: Kit>(args: &Sim, seed: u64, wishes: &Wishes) -> Result<u8, Refusal> {
    let (kit, plan) = prepare::<K>(seed, wishes)?;
    if args.plan {
        let protocol =
            if K::NAME == PROTOCOLS[0] { String::new() } else { format!("protocol {}\n", K::NAME) };
        print(&format!("{protocol}{plan}"));
        return Ok(0);
    }
    let json = args.trace_json.as_deref().map(Aside::begin).transpose()?;
    let paint = Paint::stdout();
    print(&drew::<K>(paint, &plan));
    let keep = args.trace || json.is_some();
    let spinner = spinner(format!("seed {seed} runs"));
    let (outcome, cpu) = wall::cpu_of(|| {
        if args.check_determinism {
            check_determinism::<K>(seed, wishes).map(|same| same.unwrap_or_else(Difference::into_outcome))
        } else {
            Ok(play(kit, &plan, keep))
        }
    });
    spinner.finish_and_clear();
    let outcome = outcome?;
    if args.trace {
        let mut out = BufWriter::new(io::stdout().lock());
        // A reader that has gone away wants no more.
        let _ =
            writeln!(out).and_then(|()| outcome.lines.iter().try_for_each(|line| writeln!(out, "{line}")));
    }
    if let Some(json) = json {
        json.finish(|out| outcome.lines.iter().try_for_each(|line| writeln!(out, "{}", json_line(line))))?;
    }
    // Two runs took the time.
    let cpu = if args.check_determinism { cpu / 2 } else { cpu };
    print(&report(paint, args, &outcome, cpu));
    Ok(outcome.verdict.exit_status())
}

/// What the seed expanded to.
fn drew<K: Kit>(paint: Paint, plan: &Plan<K::Action>) -> String {
    let setup = &plan.setup;
    let settings: Vec<_> = setup.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let faults = plan.steps.iter().filter(|step| step.family.is_some()).count();
    let or = |text: String, else_: &str| if text.is_empty() { else_.to_owned() } else { text };
    let mut rows = vec![
        ("protocol", K::NAME.to_owned()),
        ("nodes", setup.nodes.to_string()),
        ("settings", or(settings.join(" "), "as they come")),
        ("families", or(plan.families.join(" "), "none")),
        ("", format!("{} of {} are on", plan.families.len(), families::<K>().len())),
        ("faults", grouped(faults as u64)),
        (
            "length",
            format!("{} until everything is healed", long(standin_core::time::Duration(plan.heal_at.0))),
        ),
    ];
    if let Some(plant) = &setup.plant {
        rows.insert(1, ("planted", plant.clone()));
    }
    format!("{}\n{}", paint.bold(&format!("seed {}", setup.seed)), facts(&rows))
}

/// The verdict in a line, and what broke under it.
pub(crate) fn verdict(paint: Paint, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => format!("{}\n", paint.good("PASSED")),
        Verdict::Broken(_) | Verdict::Crash(_) => {
            let (kind, who) = match verdict.signature().split_once(": ") {
                Some((kind, who)) if kind != "crash" => (kind.to_owned(), format!("  {who}")),
                _ => ("crash".to_owned(), String::new()),
            };
            let head = format!("{}  {kind}{who}", paint.bad("FAILED"));
            format!("{head}\n{}", indented(verdict.what(), 2))
        }
    }
}

fn report(paint: Paint, args: &Sim, outcome: &Outcome, cpu: Wall) -> String {
    let nanos = cpu.as_nanos();
    let mut text = format!("\n{}", verdict(paint, &outcome.verdict));
    text += &section(paint, "figures", &figures(&outcome.figures));
    text += &section(paint, "addresses", &addresses(&outcome.addresses));
    text += &section(paint, "checks", &tally(outcome.checks.iter().copied()));
    text +=
        &section(paint, "faults", &tally(outcome.faults.iter().map(|(name, times)| (name.as_str(), *times))));
    let simulated = rate(outcome.simulated.as_micros(), nanos) / 1_000_000;
    let mut rows = vec![
        ("simulated", long(outcome.simulated)),
        ("events", grouped(outcome.counts.events)),
        ("notices", grouped(outcome.notices)),
        (
            "speed",
            format!(
                "{} events/s, {} simulated s per CPU s",
                grouped(rate(outcome.counts.events, nanos)),
                grouped(simulated)
            ),
        ),
    ];
    if args.check_determinism && outcome.verdict.signature() != "safety: determinism" {
        rows.push(("repeats", "two runs, one trace".to_owned()));
    }
    text += &section(paint, "totals", &facts(&rows));
    text += &format!("\ntrace hash {:016x}\n", outcome.hash);
    text += &format!("run again: {}\n", args.again_with(outcome.protocol, outcome.seed));
    text
}

/// A trace line for other programs. The hash is text: JSON's numbers do not hold 64 bits.
#[derive(serde::Serialize)]
struct JsonLine<'a> {
    at_us: u64,
    host: Option<String>,
    columns: &'a str,
    kind: &'a str,
    text: &'a str,
    hash: String,
}

fn json_line(line: &Line) -> String {
    let Line { at, host, columns, kind, text, hash } = line;
    let (host, hash) = (host.map(|host| host.to_string()), format!("{hash:016x}"));
    let line = JsonLine { at_us: at.0, host, columns, kind, text, hash };
    serde_json::to_string(&line).expect("texts and numbers always become JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_sim::check::Violation;
    use standin_sim::world::moment::{HostId, Moment};

    #[test]
    fn a_verdict_names_the_checker_and_what_it_saw() {
        let shown = |it: Verdict| verdict(Paint::PLAIN, &it);
        assert_eq!(shown(Verdict::Passed), "PASSED\n");
        let broken = Violation::liveness("served", "10.0.0.1\nis nowhere".into());
        assert_eq!(shown(Verdict::Broken(broken)), "FAILED  liveness  served\n  10.0.0.1\n  is nowhere\n");
        assert_eq!(shown(Verdict::Crash("a.rs:7: no: x".into())), "FAILED  crash\n  a.rs:7: no: x\n");
    }

    #[test]
    fn a_trace_line_reads_as_json() {
        let (columns, kind, text) = ("..".to_owned(), "said".to_owned(), "\"60\"".to_owned());
        let line = Line { at: Moment(7), host: Some(HostId(1)), columns, kind, text, hash: u64::MAX };
        assert_eq!(
            json_line(&line),
            r#"{"at_us":7,"host":"n1","columns":"..","kind":"said","text":"\"60\"","hash":"ffffffffffffffff"}"#
        );
    }
}
