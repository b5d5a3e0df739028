//! Each form of expectation kept and broken, what is said about wrong texts, and that a plan
//! read back from its own text does the same.

use proptest::prelude::*;
use standin_core::text::Problems;

use super::parse::parse;
use super::run::{Played, play};
use super::ticker::{Claim, Clockwork, Poke};
use super::{Scenario, When};
use crate::kit::Kit;
use crate::outcome::Verdict;
use crate::plan::{Deed, Drawn, NODES_MAX, Wishes, expand};
use crate::world::fault::{Fault, Who};
use crate::world::moment::{HostId, Moment};

fn read(text: &str) -> Result<Scenario<Poke, Claim>, Problems> {
    parse::<Clockwork>(text)
}

fn played(text: &str) -> Played {
    let scenario = read(text).unwrap_or_else(|problems| panic!("{}", problems.render("a.scn", text)));
    let kit = Clockwork::new(&scenario.setup).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    play(kit, &scenario, true)
}

/// The verdict's group and words, or the times of what was kept.
fn told(text: &str) -> String {
    let Played { outcome, kept } = played(text);
    match &outcome.verdict {
        Verdict::Passed => kept.iter().map(|one| one.after.to_string()).collect::<Vec<_>>().join(" "),
        broken @ (Verdict::Broken(_) | Verdict::Crash(_)) => {
            format!("{}: {}", broken.signature(), broken.what())
        }
    }
}

/// Late by 4 s it ticks every 9 s, whatever else waits for it meanwhile.
#[test]
fn a_slow_daemon_is_woken_once_a_deadline() {
    let pokes: String = (1..60).map(|second| format!("at {second}s poke n0\n")).collect();
    let text = format!(
        "nodes 1; set Every 5\nat 0s slow n0 4s\nexpect within 55s ticked n0 6\n\
         expect throughout 62s not ticked n0 7\n{pokes}"
    );
    assert_eq!(told(&text), "54s 62s");
}

#[test]
fn a_story_is_read_word_by_word() {
    let text = "
# Tick, tick.
nodes 2; seed 9   # small
set Every 2 ; start none
plant lazy
at 1s start all
expect within 40s not ticked n0 3
at 2m poke n1
expect after 1s within 2s noticed n1 poked
expect throughout 5s running n0
at 2m look
expect running n1
";
    let scenario = read(text).unwrap_or_else(|problems| panic!("{}", problems.render("a.scn", text)));
    assert_eq!(scenario.title.as_deref(), Some("Tick, tick."));
    assert_eq!((scenario.setup.nodes, scenario.setup.seed, scenario.starts), (2, 9, false));
    assert_eq!(scenario.setup.settings, [("Every".to_owned(), "2".to_owned())]);
    assert_eq!(scenario.setup.plant.as_deref(), Some("lazy"));
    let steps: Vec<_> =
        scenario.steps.iter().map(|step| (step.at.0 / 1_000_000, step.deed.clone())).collect();
    let start = Deed::Fault(Fault::Start(Who::All));
    assert_eq!(steps, [(1, start), (120, Deed::Protocol(Poke(HostId(1)))), (120, Deed::Look)]);
    let expected: Vec<_> = scenario
        .expectations
        .iter()
        .map(|one| (one.line, one.steps, one.when.to_string(), one.claim()))
        .collect();
    let own = |line, steps, when: &str, claim: &str| (line, steps, when.to_owned(), claim.to_owned());
    assert_eq!(
        expected,
        [
            own(7, 1, "within 40s ", "not ticked n0 3"),
            own(9, 2, "after 1s within 2s ", "noticed n1 poked"),
            own(10, 2, "throughout 5s ", "running n0"),
            own(12, 3, "", "running n1"),
        ]
    );
    assert_eq!(scenario.expectations[3].when, When::Now);
    assert_eq!(scenario.end, Moment(180_000_000));
}

#[test]
fn the_run_goes_on_for_all_that_is_expected() {
    let end = |text: &str| read(text).map(|scenario| scenario.end.0 / 1_000_000);
    assert_eq!(end("expect running n0"), Ok(60));
    assert_eq!(end("at 5s look\nexpect throughout 70s running n0\nat 9s look"), Ok(75));
    assert_eq!(end("at 5s look\nend 9s"), Ok(9));
    assert_eq!(end("at 5s heal"), Ok(95));
}

#[test]
fn expectations_are_kept_as_they_come_true() {
    for (text, told_of) in [
        ("expect running n0", "0s"),
        ("expect within 5s ticked n0 3", "3s"),
        ("expect within 3s ticked n0 3", "3s"),
        ("expect after 2s within 4s ticked n0 3", "3s"),
        ("expect after 3s within 4s ticked n0 3", "3s"),
        ("expect throughout 4s running n0", "4s"),
        ("expect throughout 2.5s not ticked n0 3", "2.5s"),
        (
            "at 2.5s look\nexpect ticked n0 2\nexpect not ticked n0 3\nexpect within 1s ticked n0 3",
            "0s 0s 500ms",
        ),
        ("at 4s crash n0\nexpect not running n0\nexpect throughout 60s not running n0", "0s 60s"),
        ("at 4s crash all\nexpect within 9s running n0\nat 6s start n0\nexpect running n0", "2s 0s"),
        ("at 1.5s poke n0\nexpect noticed n0 poked\nat 1.5s look\nexpect not noticed n0 poked", "0s 0s"),
        ("start none\nexpect throughout 9s not running n0", "9s"),
        ("set every 3\nexpect after 8s within 10s ticked n1 3", "9s"),
    ] {
        assert_eq!(told(text), told_of, "{text}");
    }
}

#[test]
fn broken_expectations_say_which_and_when() {
    for (text, told_of) in [
        (
            "at 1s look\n\nexpect not running n0",
            "safety: expect: line 3: expected at 1s: not running n0; it is not so",
        ),
        (
            "at 1s look\nexpect within 4s ticked n0 9",
            "liveness: expect: line 2: expected within 4s of 1s: ticked n0 9; it is not so by 5s",
        ),
        (
            "expect after 3.5s within 5s ticked n0 3",
            "safety: expect: line 1: expected after 3.5s and within 5s of 0s: ticked n0 3; it is so already at 3s",
        ),
        (
            "expect after 2s within 2.9s ticked n0 3",
            "liveness: expect: line 1: expected after 2s and within 2.9s of 0s: ticked n0 3; it is not so by 2.9s",
        ),
        (
            "expect throughout 9s not ticked n0 3",
            "safety: expect: line 1: expected throughout 9s from 0s: not ticked n0 3; it is not so at 3s",
        ),
        (
            "at 1s look\nexpect throughout 9s running n0\nat 5.5s power-off n0",
            "safety: expect: line 2: expected throughout 9s from 1s: running n0; it is not so at 5.5s",
        ),
    ] {
        assert_eq!(told(text), told_of, "{text}");
    }
}

#[test]
fn a_broken_expectation_stops_the_run_and_keeps_what_was_kept() {
    let Played { outcome, kept } =
        played("expect within 9s ticked n0 2\nexpect within 3s not running n0\nend 500s");
    assert_eq!((outcome.verdict.exit_status(), outcome.simulated.0), (2, 3_000_000));
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].line, kept[0].text.as_str()), (1, "expect within 9s ticked n0 2"));
}

#[test]
fn a_panic_is_a_crash() {
    let Played { outcome, .. } = played("nodes 1\nat 2000s look\nexpect running n0");
    assert_eq!(outcome.verdict, Verdict::Crash("a thousand ticks".to_owned()));
}

fn refused(text: &str, rendered: &str) {
    let problems = read(text).err().unwrap_or_default();
    assert_eq!(problems.render("a.scn", text), rendered);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    refused(
        "\
nodes 3
set evry 5; set Every often
at 20s powr-off n0
expect within 40s leder n1
at 10s crash n3
",
        "\
a.scn:2:5: there is no setting `evry`
  2 | set evry 5; set Every often
    |     ^^^^
    = expected `Every`
    = did you mean `Every`?

a.scn:2:17: `often` is no number for `Every`
  2 | set evry 5; set Every often
    |                 ^^^^^^^^^^^
    = expected whole seconds

a.scn:3:8: `powr-off` is not a verb
  3 | at 20s powr-off n0
    |        ^^^^^^^^
    = expected what befalls the world, or ticker's `poke`
    = did you mean `power-off`?

a.scn:4:19: `leder` is not a fact
  4 | expect within 40s leder n1
    |                   ^^^^^
    = expected a fact: `ticked`, `running` or `noticed`

a.scn:5:4: `10s` lies before the `at` of line 3
  5 | at 10s crash n3
    |    ^^^
    = expected `20s` or later

a.scn:5:14: there is no host `n3`
  5 | at 10s crash n3
    |              ^^
    = expected a host: `n0` to `n2`, or `all`
",
    );
}

#[test]
fn what_cannot_be_is_refused_before_it_runs() {
    let first =
        |text: &str| read(text).err().and_then(|problems| problems.iter().next().map(ToString::to_string));
    for (text, problem) in [
        ("", "1:1: nothing happens (expected at least one `at` or `expect`)"),
        ("# only talk\nnodes 3\n", "1:1: nothing happens (expected at least one `at` or `expect`)"),
        ("nodes 0\nat 1s look", "1:7: `0` is out of range (expected a whole number from 1 to 250)"),
        ("nodes 251\nat 1s look", "1:7: `251` is out of range (expected a whole number from 1 to 250)"),
        ("nodes three\nat 1s look", "1:7: `three` is not a number (expected a whole number from 1 to 250)"),
        ("nodes 3; nodes 3\nat 1s look", "1:10: `nodes` is said twice (expected only that of line 1)"),
        (
            "set Every 1\nset every 1\nat 1s look",
            "2:5: `every` is set twice (expected only the value of line 1)",
        ),
        ("set Every\nat 1s look", "1:10: a word is missing here (expected the value of `Every`)"),
        (
            "start nome\nat 1s look",
            "1:7: `nome` is not a way to start (expected `all` or `none`; did you mean `none`?)",
        ),
        (
            "plant laxy\nat 1s look",
            "1:7: there is no planted bug `laxy` (expected `lazy`; did you mean `lazy`?)",
        ),
        ("at 1s look\nseed 3", "2:1: `seed` comes too late (expected it before the first `at` or `expect`)"),
        ("at 1s\n", "1:6: a word is missing here (expected what is done: `power-off n0`, `look`)"),
        ("at 1s look up", "1:12: `up` is one word too many (expected the end of the line)"),
        ("crash n0", "1:1: `crash` begins no line (expected a time before it: `at 20s crash`)"),
        (
            "exepct running n0",
            "1:1: `exepct` begins no line (expected `protocol`, `nodes`, `seed`, `set`, `plant`, `start`, `at`, `expect` or `end`; did you mean `expect`?)",
        ),
        ("expect running n7", "1:16: there is no host `n7` (expected a host: `n0` to `n2`)"),
        ("expect not", "1:11: a word is missing here (expected a fact: `ticked`, `running` or `noticed`)"),
        (
            "expect not within 3s running n0",
            "1:12: `within` stands in the wrong place (expected the time first: `expect within 30s not …`)",
        ),
        (
            "expect wihtin 3s running n0",
            "1:8: `wihtin` is not a fact (expected a fact: `ticked`, `running` or `noticed`; did you mean `within`?)",
        ),
        ("expect after 5s running n0", "1:17: `running` does not belong here (expected `within`)"),
        (
            "expect after 5s within 5s running n0",
            "1:24: `5s` leaves no time after 5s (expected more than `5s`: both count from the same moment)",
        ),
        (
            "at 5s look\nexpect within 9s running n0\nend 10s",
            "2:15: the run ends at 10s, before this is over (5s + 9s) (expected a later `end`, or none)",
        ),
        ("at 5s look\nend 4s", "2:5: `4s` lies before the `at` of line 1 (expected `5s` or later)"),
        (
            "at 5s look\nend 9s\nat 10s look",
            "3:1: `at` stands after the end (expected nothing after the `end` of line 2)",
        ),
        ("at 9000h look", "1:4: `9000h` is too long (expected at most `8784h`, a year)"),
    ] {
        assert_eq!(first(text).as_deref(), Some(problem), "{text}");
    }
    let long = format!("at 1s look\n{}", "#".repeat(1 << 20));
    assert_eq!(
        first(&long).as_deref(),
        Some("1:1: this is too long for a scenario (expected at most 1 MiB)")
    );
    assert_eq!(read(&format!("nodes {NODES_MAX}\nat 1s power-off n249")).map(|read| read.steps.len()), Ok(1));
}

#[test]
fn a_plan_reads_back_from_its_text_and_runs_alike() {
    for seed in 1..60 {
        let wishes = Wishes { plant: (seed % 2 == 0).then(|| "lazy".to_owned()), ..Wishes::default() };
        let (settings, own) = (Clockwork::draw_settings, Clockwork::families());
        let later_settings = Clockwork::draw_later_settings;
        let (sizes, tuning) = (Clockwork::SIZES, Clockwork::TUNING);
        let drawn = Drawn { sizes, settings, later_settings, tuning, own, opening: Vec::new() };
        let plan = expand(seed, &wishes, &drawn, |_| None);
        let text = plan.to_string();
        let scenario = read(&text).unwrap_or_else(|problems| panic!("{}", problems.render("plan", &text)));
        assert_eq!(scenario.setup, plan.setup);
        let (last, steps) = scenario.steps.split_last().unwrap_or_else(|| panic!("{text}"));
        assert_eq!((last.at, &last.deed), (plan.heal_at, &Deed::Fault(Fault::Heal)));
        assert!(
            steps
                .iter()
                .map(|step| (step.at, &step.deed))
                .eq(plan.steps.iter().map(|step| (step.at, &step.deed)))
        );

        let kit = || Clockwork::new(&plan.setup).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let (one, other) = (crate::run::play(kit(), &plan, false), play(kit(), &scenario, false).outcome);
        assert_eq!((one.hash, one.verdict), (other.hash, other.verdict), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_breaks_the_reading(
        text in "((nodes|seed|set|plant|start|at|expect|end|within|after|throughout|not|look|poke|ticked|heal|\
            partition|n[0-9]|[0-9]{1,3}|[0-9]{1,2}s|all|\\||#|;|\n|\\PC{0,4}) ?){0,40}",
    ) {
        if let Err(problems) = read(&text) {
            let _ = problems.render("a.scn", &text);
        }
    }
}
