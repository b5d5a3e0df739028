//! A scenario from its text. All that is wrong with it is said at once; nothing of it is used
//! unless all of it is right.

use standin_core::text::{Piece, Problem, Problems, lines, nearest};
use standin_core::time::Duration;

use super::words::{Words, span};
use super::{Expectation, Scenario, When, faults};
use crate::kit::Kit;
use crate::plan::{Deed, NODES_MAX, Setup, Step};
use crate::world::fault::{ANY_EVENT, Fault};
use crate::world::moment::Moment;

/// Bytes a scenario may have.
pub const SIZE_MAX: usize = 1 << 20;
/// Hosts of a cluster that does not say.
pub const NODES_DEFAULT: u32 = 3;
/// The seed of a run that does not say.
pub const SEED_DEFAULT: u64 = 1;
/// How long a run goes on after its last step, if nothing asks for more.
pub const AFTERMATH: Duration = Duration::from_secs(60);

const HEADERS: &[&str] = &["protocol", "nodes", "seed", "set", "plant", "start"];
const STORY: &[&str] = &["at", "expect", "end"];

/// Reads a scenario of a kit's protocol.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse<K: Kit>(text: &str) -> Result<Scenario<K::Action, K::Fact>, Problems> {
    if text.len() > SIZE_MAX {
        let start = Piece { text: "", line: 1, column: 1 };
        return Err(start.problem("this is too long for a scenario", "at most 1 MiB").into());
    }
    let mut reader = Reader::<K>::new();
    for statement in lines(text).map(without_comment).flat_map(|line| line.split(';')) {
        let words: Vec<_> = statement.words().collect();
        if !words.is_empty() {
            reader.statement(statement.trim(), &words);
        }
    }
    reader.finish(title(text))
}

/// A line without its comment: `#` at the beginning or behind a blank, and what follows.
fn without_comment(line: Piece<'_>) -> Piece<'_> {
    let mut blank = true;
    for (at, c) in line.text.char_indices() {
        if c == '#' && blank {
            return line.part(0, at);
        }
        blank = c.is_ascii_whitespace();
    }
    line
}

/// The protocol a scenario names in its head.
#[must_use]
pub fn protocol(text: &str) -> Option<&str> {
    let statements = lines(text).map(without_comment).flat_map(|line| line.split(';'));
    let mut words = statements.map(Piece::words);
    words.find_map(|mut words| {
        (words.next()?.text == "protocol").then(|| words.next().map(|word| word.text))?
    })
}

/// The first comment that says something.
#[must_use]
pub fn title(text: &str) -> Option<String> {
    let comments = text.lines().filter_map(|line| line.trim().strip_prefix('#'));
    comments
        .map(|comment| comment.trim_matches(['#', ' ', '\t']))
        .find(|said| !said.is_empty())
        .map(str::to_owned)
}

/// A `set`: its name, its value, and both together.
struct Setting<'t> {
    name: Piece<'t>,
    value: Piece<'t>,
    both: Piece<'t>,
}

struct Reader<'t, K: Kit> {
    problems: Vec<Problem>,
    /// Headers seen, with their lines.
    headers: Vec<(&'static str, usize)>,
    /// Hosts for the words that name one; the most there can be while their number is unclear.
    hosts: u32,
    seed: u64,
    starts: bool,
    settings: Vec<Setting<'t>>,
    plant: Option<Piece<'t>>,
    story: bool,
    /// The last `at`, and its line.
    last: (Moment, usize),
    steps: Vec<Step<K::Action>>,
    /// Theirs.
    step_lines: Vec<usize>,
    /// Each with the word that says when it is over.
    expectations: Vec<(Expectation<K::Fact>, Piece<'t>)>,
    end: Option<(Moment, Piece<'t>)>,
}

impl<'t, K: Kit> Reader<'t, K> {
    const fn new() -> Self {
        Self {
            problems: Vec::new(),
            headers: Vec::new(),
            hosts: NODES_DEFAULT,
            seed: SEED_DEFAULT,
            starts: true,
            settings: Vec::new(),
            plant: None,
            story: false,
            last: (Moment::START, 0),
            steps: Vec::new(),
            step_lines: Vec::new(),
            expectations: Vec::new(),
            end: None,
        }
    }

    fn statement(&mut self, whole: Piece<'t>, words: &[Piece<'t>]) {
        let read = self.try_statement(whole, words);
        self.note(read);
    }

    /// The value, or the problem put on the list.
    fn note<T>(&mut self, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    fn try_statement(&mut self, whole: Piece<'t>, words: &[Piece<'t>]) -> Result<(), Problem> {
        let first = words[0];
        if let Some(header) = HEADERS.iter().copied().find(|word| *word == first.text) {
            return self.header(header, whole, words);
        }
        if !STORY.contains(&first.text) {
            let known = HEADERS.iter().chain(STORY).copied();
            let deed = faults::VERBS.iter().chain(K::VERBS).any(|verb| *verb == first.text);
            let expected = if deed {
                format!("a time before it: `at 20s {}`", first.text)
            } else if self.story {
                "`at`, `expect` or `end`".to_owned()
            } else {
                "`protocol`, `nodes`, `seed`, `set`, `plant`, `start`, `at`, `expect` or `end`".to_owned()
            };
            return Err(first
                .problem(format!("{} begins no line", first.quoted()), expected)
                .or_nearest(nearest(first.text, known).filter(|_| !deed)));
        }
        if let Some((_, end)) = self.end {
            return Err(first.problem(
                format!("{} stands after the end", first.quoted()),
                format!("nothing after the `end` of line {}", end.line),
            ));
        }
        match first.text {
            "at" => self.at(words),
            "expect" => self.expect(whole, words),
            _ => self.end(words),
        }
    }

    fn header(&mut self, header: &'static str, whole: Piece<'t>, words: &[Piece<'t>]) -> Result<(), Problem> {
        if self.story {
            return Err(words[0]
                .problem(format!("`{header}` comes too late"), "it before the first `at` or `expect`"));
        }
        let before = self.headers.iter().find(|(name, _)| *name == header && header != "set");
        if let Some((_, line)) = before {
            return Err(
                words[0].problem(format!("`{header}` is said twice"), format!("only that of line {line}"))
            );
        }
        self.headers.push((header, words[0].line));
        let mut rest = Words::new(words, self.hosts);
        rest.take(header)?;
        match header {
            "nodes" => {
                self.hosts = NODES_MAX;
                let hosts = rest.number(1, u64::from(NODES_MAX))?;
                self.hosts = u32::try_from(hosts).unwrap_or(NODES_MAX);
            }
            "seed" => self.seed = rest.number(0, u64::MAX)?,
            "start" => {
                let word = rest.take("`all` or `none`")?;
                self.starts = match word.text {
                    "all" => true,
                    "none" => false,
                    _ => {
                        let what = format!("{} is not a way to start", word.quoted());
                        let meant = nearest(word.text, ["all", "none"]);
                        return Err(word.problem(what, "`all` or `none`").or_nearest(meant));
                    }
                };
            }
            "plant" => self.plant = Some(rest.take("the name of a planted bug")?),
            "protocol" => {
                let word = rest.take("the name of a protocol")?;
                if word.text != K::NAME {
                    let what = format!("this is played as a story of {}", K::NAME);
                    return Err(word.problem(what, format!("`{}`", K::NAME)));
                }
            }
            _ => return self.setting(whole, rest),
        }
        rest.end()
    }

    /// `set NAME VALUE`; the value is everything behind the name.
    fn setting(&mut self, whole: Piece<'t>, mut words: Words<'_, 't>) -> Result<(), Problem> {
        let name = words.take("the name of a setting and its value")?;
        if words.rest().is_empty() {
            return Err(words.missing(format!("the value of {}", name.quoted())));
        }
        let both = whole.part("set".len(), whole.text.len()).trim();
        let value = both.part(name.text.len(), both.text.len()).trim();
        if let Some(before) = self.settings.iter().find(|one| one.name.text.eq_ignore_ascii_case(name.text)) {
            let line = before.name.line;
            return Err(name.problem(
                format!("{} is set twice", name.quoted()),
                format!("only the value of line {line}"),
            ));
        }
        self.settings.push(Setting { name, value, both });
        Ok(())
    }

    fn at(&mut self, words: &[Piece<'t>]) -> Result<(), Problem> {
        self.story = true;
        let mut rest = Words::new(words, self.hosts);
        rest.take("at")?;
        let time = rest.take("a time since the start: `20s`")?;
        let at = self.moment(time);
        let at = self.note(at).unwrap_or(self.last.0);
        let deed = if rest.rest().is_empty() {
            Err(rest.missing("what is done: `power-off n0`, `look`"))
        } else {
            self.deed(rest.rest())
        };
        // Kept even if it cannot be read: what follows belongs to it.
        self.last = (at, time.line);
        self.steps.push(Step { at, deed: deed?, family: None });
        self.step_lines.push(time.line);
        Ok(())
    }

    /// A time since the start, not before the last `at`.
    fn moment(&self, word: Piece<'_>) -> Result<Moment, Problem> {
        let at = Moment::START + span(word)?;
        let (last, line) = self.last;
        if at < last {
            return Err(word.problem(
                format!("{} lies before the `at` of line {line}", word.quoted()),
                format!("`{}` or later", last.since(Moment::START)),
            ));
        }
        Ok(at)
    }

    fn deed(&self, words: &[Piece<'t>]) -> Result<Deed<K::Action>, Problem> {
        let verb = words[0];
        if verb.text == "look" {
            let mut rest = Words::new(words, self.hosts);
            rest.take("look")?;
            return rest.end().map(|()| Deed::Look);
        }
        if faults::VERBS.contains(&verb.text) {
            let fault = faults::read(words, self.hosts)?;
            if let Fault::Script(_, Some(_), ..) | Fault::ScriptFine(_, Some(_)) = fault {
                // The verb, whom, the event.
                known_event::<K>(words[2])?;
            }
            return Ok(Deed::Fault(fault));
        }
        if K::VERBS.contains(&verb.text) {
            return K::parse_action(words, self.hosts).map(Deed::Protocol);
        }
        let known = faults::VERBS.iter().chain(K::VERBS).copied().chain(["look"]);
        Err(verb
            .problem(
                format!("{} is not a verb", verb.quoted()),
                format!("what befalls the world, or {}'s {}", K::NAME, listed(K::VERBS)),
            )
            .or_nearest(nearest(verb.text, known)))
    }

    fn expect(&mut self, whole: Piece<'t>, words: &[Piece<'t>]) -> Result<(), Problem> {
        self.story = true;
        let mut rest = Words::new(words, self.hosts);
        rest.take("expect")?;
        let (when, over) = when(&mut rest, words[0])?;
        let holds = !rest.take_if("not");
        let expected = format!("a fact: {}", listed(K::FACTS));
        let Some(first) = rest.peek() else { return Err(rest.missing(expected)) };
        if !K::FACTS.contains(&first.text) {
            if matches!(first.text, "within" | "after" | "throughout" | "not") {
                let what = format!("{} stands in the wrong place", first.quoted());
                return Err(first.problem(what, "the time first: `expect within 30s not …`"));
            }
            let known = K::FACTS.iter().copied().chain(["within", "after", "throughout", "not"]);
            return Err(first
                .problem(format!("{} is not a fact", first.quoted()), expected)
                .or_nearest(nearest(first.text, known)));
        }
        let fact = K::parse_fact(rest.rest(), self.hosts)?;
        let text: Vec<_> = whole.words().map(|word| word.text).collect();
        let expectation = Expectation {
            line: whole.line,
            text: text.join(" "),
            steps: self.steps.len(),
            since: self.last.0,
            when,
            holds,
            fact,
        };
        self.expectations.push((expectation, over));
        Ok(())
    }

    fn end(&mut self, words: &[Piece<'t>]) -> Result<(), Problem> {
        let mut rest = Words::new(words, self.hosts);
        rest.take("end")?;
        let time = rest.take("a time since the start: `300s`")?;
        self.end = Some((self.last.0, time));
        let end = self.moment(time)?;
        self.end = Some((end, time));
        rest.end()
    }

    fn finish(mut self, title: Option<String>) -> Result<Scenario<K::Action, K::Fact>, Problems> {
        if !self.story {
            let place = Piece { text: "", line: 1, column: 1 };
            self.problems.push(place.problem("nothing happens", "at least one `at` or `expect`"));
        }
        let setup = self.setup();
        let settles = self.settles(&setup);
        let end = self.ends(settles);
        let expectations = self.expectations.into_iter().map(|(expectation, _)| expectation).collect();
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        let mut problems = Problems::new();
        self.problems.into_iter().for_each(|problem| problems.push(problem));
        problems.into_result(Scenario {
            title,
            setup,
            starts: self.starts,
            steps: self.steps,
            lines: self.step_lines,
            expectations,
            end,
        })
    }

    fn setup(&mut self) -> Setup {
        let name = |&(name, _): &(&'static str, u64)| name;
        let plant = self.plant.filter(|plant| K::PLANTS.iter().map(name).any(|known| known == plant.text));
        if let (Some(word), None) = (self.plant, plant) {
            let known: Vec<_> = K::PLANTS.iter().map(name).collect();
            let expected = if known.is_empty() { "none: there are none".into() } else { listed(&known) };
            self.problems.push(
                word.problem(format!("there is no planted bug {}", word.quoted()), expected)
                    .or_nearest(nearest(word.text, known)),
            );
        }
        let pair = |one: &Setting<'_>| (one.name.text.to_owned(), one.value.text.to_owned());
        Setup {
            seed: self.seed,
            nodes: self.hosts,
            settings: self.settings.iter().map(pair).collect(),
            plant: plant.map(|plant| plant.text.to_owned()),
        }
    }

    /// Asks the kit what it thinks of the settings, one by one until it has no complaint.
    /// Answers how long a healed cluster has until it must be whole.
    fn settles(&mut self, setup: &Setup) -> Duration {
        let mut trial = setup.clone();
        let mut left: Vec<_> = self.settings.iter().collect();
        loop {
            let wrong = match K::new(&trial) {
                Ok(kit) => return kit.settles_within(),
                Err(wrong) => wrong,
            };
            let at = left.iter().position(|one| one.name.text.eq_ignore_ascii_case(&wrong.name));
            let word = match at {
                // A name nearly right is the culprit alone; otherwise it may be either.
                Some(at) if wrong.nearest.is_some() => left[at].name,
                Some(at) => left[at].both,
                None => Piece { text: "", line: 1, column: 1 },
            };
            self.problems.push(word.problem(wrong.what, wrong.expected).or_nearest(wrong.nearest));
            let Some(at) = at else { return Duration::ZERO };
            left.remove(at);
            trial.settings.remove(at);
        }
    }

    /// When the run is over. An expectation that would outlive it cannot be kept.
    fn ends(&mut self, settles: Duration) -> Moment {
        let latest = self.expectations.iter().map(|(one, _)| one.deadline()).max().unwrap_or_default();
        let last = self.steps.last();
        let healed = last.is_some_and(|step| step.deed == Deed::Fault(Fault::Heal));
        let Some((end, _)) = self.end else {
            // As long as a seed's own run, so that its text leaves the same trace.
            let aftermath = if healed { settles } else { AFTERMATH };
            return latest.max(self.last.0 + aftermath);
        };
        for (one, word) in self.expectations.iter().filter(|(one, _)| one.deadline() > end) {
            let (since, end) = (one.since.since(Moment::START), end.since(Moment::START));
            self.problems.push(word.problem(
                format!("the run ends at {end}, before this is over ({since} + {})", one.when.deadline()),
                "a later `end`, or none",
            ));
        }
        end
    }
}

/// The time of an expectation, and the word that says when it is over.
fn when<'t>(words: &mut Words<'_, 't>, expect: Piece<'t>) -> Result<(When, Piece<'t>), Problem> {
    let mut over = expect;
    let mut time = |words: &mut Words<'_, 't>| {
        over = words.peek().unwrap_or(over);
        words.span()
    };
    let when = if words.take_if("within") {
        When::Within(time(words)?)
    } else if words.take_if("throughout") {
        When::Throughout(time(words)?)
    } else if words.take_if("after") {
        let after = time(words)?;
        words.literal("within")?;
        let within = time(words)?;
        if after >= within {
            return Err(over.problem(
                format!("{} leaves no time after {after}", over.quoted()),
                format!("more than `{after}`: both count from the same moment"),
            ));
        }
        When::Between(after, within)
    } else {
        When::Now
    };
    Ok((when, over))
}

/// `` `a`, `b` or `c` ``.
/// An event that scripts are run for: one that nobody runs would befall nothing, in silence.
fn known_event<K: Kit>(word: Piece<'_>) -> Result<(), Problem> {
    if K::EVENTS.contains(&word.text) {
        return Ok(());
    }
    if K::EVENTS.is_empty() {
        return Err(word.problem(format!("{} runs no scripts", K::NAME), "`any`, which then is none"));
    }
    let known = K::EVENTS.iter().copied().chain([ANY_EVENT]);
    Err(word
        .problem(
            format!("{} is not an event", word.quoted()),
            format!("`{ANY_EVENT}`, or an event: {}", listed(K::EVENTS)),
        )
        .or_nearest(nearest(word.text, known)))
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
