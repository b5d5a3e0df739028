//! A story as the simulator tells it, and what of it real daemons cannot play.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::deed::{self, Deed};
use super::fact::{self, Fact};

/// A story that can be played on namespaces.
pub(super) struct Story {
    pub(super) file: String,
    pub(super) title: String,
    pub(super) nodes: usize,
    pub(super) starts: bool,
    pub(super) lock: bool,
    pub(super) strict: bool,
    pub(super) tunables: Vec<(String, u32)>,
    pub(super) steps: Vec<Step>,
    pub(super) expectations: Vec<Expectation>,
    pub(super) end: Duration,
    pub(super) simulated: Simulated,
}

pub(super) struct Step {
    pub(super) at: Duration,
    /// As it was written.
    pub(super) words: String,
    /// What is done at that moment; nothing for a look.
    pub(super) deeds: Vec<Deed>,
}

pub(super) struct Expectation {
    pub(super) text: String,
    /// It belongs to the last of so many steps.
    pub(super) steps: usize,
    pub(super) when: When,
    /// When it may come true at the earliest and has to at the latest, after its step.
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) holds: bool,
    pub(super) fact: Fact,
    /// When the simulator knew, if it kept it.
    pub(super) simulated: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Now,
    Within,
    Between,
    Throughout,
}

/// What came of it in the simulator.
#[derive(Default)]
pub(super) struct Simulated {
    pub(super) status: i64,
    pub(super) what: String,
    pub(super) addresses: Vec<Figures>,
}

/// What a client saw of one address.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) address: String,
    pub(super) first: Option<Duration>,
    pub(super) out: Duration,
    pub(super) longest: Duration,
    pub(super) twice: Duration,
}

/// Splits what the simulator told into stories; every word of them that cannot be played is on the
/// list of complaints instead, with its file and line.
pub(super) fn read(told: &str) -> (Vec<Story>, Vec<String>) {
    let lines: Vec<Value> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let begins = |at: &usize| !lines[*at]["story"].is_null();
    let starts: Vec<usize> = (0..lines.len()).filter(begins).collect();
    let (mut stories, mut complaints) = (Vec::new(), Vec::new());
    for (place, &start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).copied().unwrap_or(lines.len());
        let said = complaints.len();
        let story = one(&lines[start..end], &mut complaints);
        if complaints.len() == said {
            stories.push(story);
        }
    }
    (stories, complaints)
}

fn one(lines: &[Value], complaints: &mut Vec<String>) -> Story {
    let head = &lines[0]["story"];
    let file = text(&head["file"]);
    let nodes = usize::try_from(number(&head["nodes"])).unwrap_or(usize::MAX);
    let mut story = Story {
        title: text(&head["title"]),
        nodes,
        starts: head["starts"] == true,
        lock: false,
        strict: false,
        tunables: Vec::new(),
        steps: Vec::new(),
        expectations: Vec::new(),
        end: micros(&head["end_us"]),
        simulated: Simulated::default(),
        file,
    };
    if nodes > 32 {
        complaints.push(format!("{}: {nodes} nodes: there are 32 at most on namespaces", story.file));
    }
    if !head["plant"].is_null() {
        complaints.push(format!("{}: `plant`: real daemons have no planted bugs", story.file));
    }
    for pair in head["settings"].as_array().into_iter().flatten() {
        if let Err(why) = setting(&mut story, &text(&pair[0]), &text(&pair[1])) {
            complaints.push(format!("{}: {why}", story.file));
        }
    }
    if let Some(played) = lines.iter().map(|line| &line["played"]).find(|played| !played.is_null()) {
        story.simulated = simulated(played);
    }
    // The rehearsal's addresses stand for the bed's, in their order.
    let known: Vec<IpAddr> =
        story.simulated.addresses.iter().filter_map(|one| one.address.parse().ok()).collect();
    if known.len() > 250 {
        complaints.push(format!("{}: there are 250 public addresses at most on namespaces", story.file));
    }
    if known.iter().any(IpAddr::is_ipv6) {
        complaints.push(format!("{}: public addresses are IPv4 on namespaces", story.file));
    }
    let places: BTreeMap<IpAddr, usize> = known.into_iter().zip(0..).collect();
    let mut refused = Vec::new();
    for line in lines {
        let (step, expect) = (&line["step"], &line["expect"]);
        if !step.is_null() {
            let words = text(&step["deed"]);
            match deed::read(&words, nodes, &places) {
                Ok(deeds) => story.steps.push(Step { at: micros(&step["at_us"]), words, deeds }),
                Err(why) => refused.push((number(&step["line"]), why)),
            }
        } else if !expect.is_null() {
            match fact::read(&text(&expect["fact"]), nodes, &places) {
                Ok(fact) => story.expectations.push(expectation(expect, fact)),
                Err(why) => refused.push((number(&expect["line"]), why)),
            }
        }
    }
    refused.sort();
    complaints.extend(refused.into_iter().map(|(line, why)| format!("{}:{line}: {why}", story.file)));
    story
}

fn expectation(told: &Value, fact: Fact) -> Expectation {
    Expectation {
        text: text(&told["text"]),
        steps: usize::try_from(number(&told["steps"])).unwrap_or_default(),
        when: match told["when"].as_str() {
            Some("within") => When::Within,
            Some("between") => When::Between,
            Some("throughout") => When::Throughout,
            _ => When::Now,
        },
        from: micros(&told["from_us"]),
        until: micros(&told["until_us"]),
        holds: told["holds"] == true,
        fact,
        simulated: told["kept_us"].as_u64().map(Duration::from_micros),
    }
}

fn simulated(played: &Value) -> Simulated {
    let figures = |one: &Value| Figures {
        address: text(&one["address"]),
        first: one["served_after_us"].as_u64().map(Duration::from_micros),
        out: micros(&one["out"]["total_us"]),
        longest: micros(&one["out"]["longest_us"]),
        twice: micros(&one["twice"]["total_us"]),
    };
    Simulated {
        status: played["status"].as_i64().unwrap_or_default(),
        what: text(&played["what"]),
        addresses: played["addresses"].as_array().into_iter().flatten().map(figures).collect(),
    }
}

/// What a bed can be made of; how many public addresses there are shows in the figures.
fn setting(story: &mut Story, name: &str, value: &str) -> Result<(), String> {
    match name.to_ascii_lowercase().as_str() {
        "public" | "public-per-node" => {}
        "lock" => story.lock = value == "1",
        "strict" => story.strict = value == "1",
        // What the tool calls a tunable begins with a capital.
        _ if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
            let value = value.parse().map_err(|_| format!("`set {name} {value}`: not a number"))?;
            story.tunables.push((name.into(), value));
        }
        _ => return Err(format!("`set {name}` cannot be had on namespaces")),
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn micros(value: &Value) -> Duration {
    Duration::from_micros(number(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"story":{"file":"a.scn","title":"A.","nodes":2,"starts":true,"settings":[["KeepaliveLimit","3"]],"plant":null,"end_us":5000000}}"#;
    const PLAYED: &str = r#"{"played":{"status":0,"what":"","addresses":[{"address":"10.1.0.10","served_after_us":1,"out":{"total_us":2,"longest_us":2},"twice":{"total_us":0}}]}}"#;

    #[test]
    fn a_story_is_read_with_its_figures() {
        let step = r#"{"step":{"line":3,"at_us":1000000,"deed":"address-del n1 10.1.0.10"}}"#;
        let expect = r#"{"expect":{"line":4,"text":"expect within 1s all-served","steps":1,"when":"within","from_us":0,"until_us":1000000,"holds":true,"fact":"all-served","kept_us":7}}"#;
        let (stories, complaints) = read(&[HEAD, step, expect, PLAYED].join("\n"));
        assert_eq!(complaints, [""; 0]);
        let story = &stories[0];
        assert_eq!((story.nodes, story.steps.len(), story.tunables.len()), (2, 1, 1));
        assert_eq!(story.expectations[0].simulated, Some(Duration::from_micros(7)));
        assert_eq!(story.simulated.addresses.len(), 1);
    }

    #[test]
    fn what_cannot_be_played_is_said_with_its_line() {
        let step = r#"{"step":{"line":3,"at_us":1000000,"deed":"clock-jump n1 3s"}}"#;
        let expect = r#"{"expect":{"line":4,"text":"","steps":1,"when":"now","from_us":0,"until_us":0,"holds":true,"fact":"noticed n1 ban","kept_us":0}}"#;
        let (stories, complaints) = read(&[HEAD, step, expect, PLAYED].join("\n"));
        assert!(stories.is_empty());
        assert!(complaints[0].starts_with("a.scn:3: `clock-jump`"), "{complaints:?}");
        assert!(complaints[1].starts_with("a.scn:4: `noticed`"), "{complaints:?}");
    }
}
