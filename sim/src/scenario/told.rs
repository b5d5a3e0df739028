//! A scenario and what came of it as JSON lines, for programs that try the same story elsewhere.

use serde_json::{Value, json};
use standin_core::text::{Piece, Problems};
use standin_core::time::Duration;

use super::parse::parse;
use super::run::play;
use super::{Expectation, When};
use crate::kit::Kit;

/// Reads and plays a scenario: one object for the story, one a step and one an expectation, in the
/// order of their lines, one for how the run ended. Times are microseconds, deeds and facts the
/// words they print as.
///
/// # Errors
/// Everything that is wrong with it.
pub fn tell<K: Kit>(file: &str, text: &str) -> Result<String, Problems> {
    let scenario = parse::<K>(text)?;
    let kit = K::new(&scenario.setup)
        .map_err(|wrong| Piece { text: "", line: 1, column: 1 }.problem(wrong.what, wrong.expected))?;
    let played = play(kit, &scenario, false);
    let mut lines = vec![json!({"story": {
        "file": file,
        "title": scenario.title,
        "nodes": scenario.setup.nodes,
        "starts": scenario.starts,
        "settings": scenario.setup.settings,
        "plant": scenario.setup.plant,
        "end_us": scenario.end.0,
    }})];
    for (step, line) in scenario.steps.iter().zip(&scenario.lines) {
        lines.push(json!({"step": {"line": line, "at_us": step.at.0, "deed": step.deed.to_string()}}));
    }
    for one in &scenario.expectations {
        let kept = played.kept.iter().find(|kept| kept.line == one.line && kept.text == one.text);
        lines.push(expectation(one, kept.map(|kept| kept.after)));
    }
    let outcome = &played.outcome;
    lines.push(json!({"played": {
        "status": outcome.verdict.exit_status(),
        "what": outcome.verdict.what(),
        "addresses": outcome.addresses,
    }}));
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

fn expectation<F: std::fmt::Display>(one: &Expectation<F>, kept: Option<Duration>) -> Value {
    let (when, from) = match one.when {
        When::Now => ("now", Duration::ZERO),
        When::Within(_) => ("within", Duration::ZERO),
        When::Between(after, _) => ("between", after),
        When::Throughout(_) => ("throughout", Duration::ZERO),
    };
    json!({"expect": {
        "line": one.line,
        "text": one.text,
        "steps": one.steps,
        "when": when,
        "from_us": from.as_micros(),
        "until_us": one.when.deadline().as_micros(),
        "holds": one.holds,
        "fact": one.fact.to_string(),
        "kept_us": kept.map(Duration::as_micros),
    }})
}

#[cfg(test)]
mod tests {
    use super::super::ticker::Clockwork;
    use super::*;

    #[test]
    fn a_story_is_told_step_by_step() {
        let text = "# Poked.\nnodes 2\nat 1.5s poke n1\nexpect noticed n1 poked\nexpect within 1s ticked n0 2\nend 2.6s";
        let told = tell::<Clockwork>("a.scn", text).unwrap_or_else(|problems| panic!("{problems}"));
        let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0]["story"]["title"], "Poked.");
        assert_eq!(lines[0]["story"]["end_us"], 2_600_000);
        assert_eq!(lines[1], json!({"step": {"line": 3, "at_us": 1_500_000, "deed": "poke n1"}}));
        assert_eq!(lines[2]["expect"]["when"], "now");
        let within = &lines[3]["expect"];
        assert_eq!(within["fact"], "ticked n0 2");
        assert_eq!((&within["until_us"], &within["kept_us"]), (&json!(1_000_000), &json!(500_000)));
        assert_eq!(lines[4]["played"]["status"], 0);
    }
}
