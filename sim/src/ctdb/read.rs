//! Actions and facts from their words: the inverse of their `Display`.

use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::NodeFlags;
use standin_core::machine::Noticed;
use standin_core::text::{Piece, Problem, nearest};

use super::verbs::{Action, FACTS, FLAG_WORDS, Fact, Forgery, NodesLine, OPERATORS, STARTS, VERBS};
use crate::scenario::words::{Words, host, one_of};
use crate::world::fault::Who;

/// Reads an action.
pub(super) fn action(words: &[Piece<'_>], hosts: u32) -> Result<Action, Problem> {
    let mut words = Words::new(words, hosts);
    let verb = words.take("a verb")?;
    let action = match verb.text {
        "stop" => Action::Stop(words.who()?),
        "reload" => Action::Reload(words.who()?),
        "write-nodes" => Action::WriteNodes(words.who()?, nodes_lines(&mut words)?),
        "renodes" => Action::Renodes(words.who()?, nodes_lines(&mut words)?),
        "ping" => Action::Ping(words.host()?, words.host()?),
        "start-as" => Action::StartAs(words.who()?, words.one_of("a way to start", &STARTS)?),
        "version" => Action::Version(words.who()?, version(&mut words)?),
        "babble" => Action::Babble(words.who()?),
        "forge" => {
            let from = words.host()?;
            words.literal("->")?;
            Action::Forge(from, words.host()?, words.one_of("a forgery", &Forgery::ALL)?)
        }
        text => match OPERATORS.iter().find(|(_, name)| *name == text) {
            Some((operator, _)) => Action::Operator(words.who()?, *operator),
            None => return Err(unknown(verb, "a verb", VERBS)),
        },
    };
    words.end()?;
    Ok(action)
}

/// Reads a fact.
pub(super) fn fact(words: &[Piece<'_>], hosts: u32) -> Result<Fact, Problem> {
    let mut words = Words::new(words, hosts);
    let first = words.take("a fact")?;
    let fact = match first.text {
        "connected" => match words.who()? {
            Who::All => Fact::AllConnected,
            Who::One(from) => Fact::Connected(from, words.host()?),
        },
        "dead" => Fact::Dead(words.host()?),
        "pnn" => Fact::Number(words.host()?, number(&mut words)?),
        "nodes" => Fact::Nodes(words.host()?, number(&mut words)?),
        "running" => Fact::Running(words.host()?),
        "flags" => Fact::Flags(words.host()?, words.host()?, flags(&mut words)?),
        "noticed" => {
            let host = words.host()?;
            let kinds: Vec<_> = Notice::KINDS.iter().map(|kind| (*kind, *kind)).collect();
            Fact::Noticed(host, words.one_of("a kind of notice", &kinds)?.to_owned())
        }
        _ => return Err(unknown(first, "a fact", FACTS)),
    };
    words.end()?;
    Ok(fact)
}

fn unknown(word: Piece<'_>, what: &str, known: &[&'static str]) -> Problem {
    let problem = word.problem(format!("{} is not {what}", word.quoted()), known.join(", "));
    problem.or_nearest(nearest(word.text, known.iter().copied()))
}

fn number(words: &mut Words<'_, '_>) -> Result<u32, Problem> {
    let number = words.number(0, u64::from(u32::MAX))?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// `4.18`: major << 16 | minor.
fn version(words: &mut Words<'_, '_>) -> Result<u32, Problem> {
    const EXPECTED: &str = "a version: `4.18`";
    let word = words.take(EXPECTED)?;
    let part = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain).map(u32::from)
    };
    let parts = word.text.split_once('.').and_then(|(major, minor)| Some((part(major)?, part(minor)?)));
    let (major, minor) =
        parts.ok_or_else(|| word.problem(format!("{} is not a version", word.quoted()), EXPECTED))?;
    Ok(major << 16 | minor)
}

/// `ok`, or flags with `|` between them.
fn flags(words: &mut Words<'_, '_>) -> Result<NodeFlags, Problem> {
    let word = words.take("flags: `ok`, or `stopped|disabled`")?;
    word.split('|')
        .try_fold(NodeFlags::empty(), |flags, part| Ok(flags | one_of(part, "a flag", &FLAG_WORDS)?))
}

/// The lines of a nodes file: all words that are left.
fn nodes_lines(words: &mut Words<'_, '_>) -> Result<Vec<NodesLine>, Problem> {
    let mut lines = Vec::new();
    while let Some(word) = words.peek() {
        words.take("a line of a nodes file")?;
        lines.push(match (word.text.strip_prefix('-'), word.text) {
            (_, "blank") => NodesLine::Blank,
            (Some(text), _) if is_host(text) => {
                NodesLine::Deleted(host(word.part(1, word.text.len()), words.hosts())?)
            }
            (Some(text), _) => NodesLine::Gone(text.to_owned()),
            (None, text) if is_host(text) => NodesLine::Node(host(word, words.hosts())?),
            (None, text) => NodesLine::Text(text.to_owned()),
        });
    }
    Ok(lines)
}

/// Whether a word is meant as a host: `n3`.
fn is_host(text: &str) -> bool {
    let digits = text.strip_prefix('n').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;
    use standin_core::text::lines;

    use super::super::verbs::StartAs;
    use super::*;
    use crate::world::moment::HostId;

    const HOSTS: u32 = 12;

    fn words(text: &str) -> Vec<Piece<'_>> {
        lines(text).flat_map(Piece::words).collect()
    }

    fn hosts() -> impl Strategy<Value = HostId> {
        (0..HOSTS).prop_map(HostId)
    }

    fn whos() -> impl Strategy<Value = Who> {
        prop_oneof![Just(Who::All), hosts().prop_map(Who::One)]
    }

    fn nodes_line() -> impl Strategy<Value = NodesLine> {
        prop_oneof![
            hosts().prop_map(NodesLine::Node),
            hosts().prop_map(NodesLine::Deleted),
            "10\\.[0-9]{1,3}\\.0\\.[0-9]{1,3}".prop_map(NodesLine::Gone),
            Just(NodesLine::Blank),
            "(10\\.0\\.0\\.[0-9]{1,3}|fd00::[0-9a-f]{1,4}|[a-m]{1,8})"
                .prop_filter("a word of its own", |text| text != "blank")
                .prop_map(NodesLine::Text),
        ]
    }

    fn actions() -> impl Strategy<Value = Action> {
        let file = || proptest::collection::vec(nodes_line(), 0..5);
        let operators = OPERATORS.map(|(operator, _)| operator).to_vec();
        let starts = vec![StartAs::Normal, StartAs::Stopped, StartAs::Disabled];
        let forgeries = Forgery::ALL.map(|(forgery, _)| forgery).to_vec();
        prop_oneof![
            whos().prop_map(Action::Stop),
            whos().prop_map(Action::Reload),
            whos().prop_map(Action::Babble),
            (whos(), file()).prop_map(|(who, file)| Action::WriteNodes(who, file)),
            (whos(), file()).prop_map(|(who, file)| Action::Renodes(who, file)),
            (whos(), select(operators)).prop_map(|(who, operator)| Action::Operator(who, operator)),
            (hosts(), hosts()).prop_map(|(from, to)| Action::Ping(from, to)),
            (whos(), select(starts)).prop_map(|(who, how)| Action::StartAs(who, how)),
            (whos(), any::<u32>()).prop_map(|(who, version)| Action::Version(who, version)),
            (hosts(), hosts(), select(forgeries)).prop_map(|(from, to, what)| Action::Forge(from, to, what)),
        ]
    }

    fn facts() -> impl Strategy<Value = Fact> {
        let flags =
            NodeFlags::PERMANENTLY_DISABLED | NodeFlags::STOPPED | NodeFlags::BANNED | NodeFlags::DELETED;
        let flags = any::<u32>().prop_map(move |bits| NodeFlags::from_bits_truncate(bits) & flags);
        let kinds = select(Notice::KINDS.to_vec());
        prop_oneof![
            (hosts(), hosts()).prop_map(|(from, to)| Fact::Connected(from, to)),
            Just(Fact::AllConnected),
            hosts().prop_map(Fact::Dead),
            (hosts(), any::<u32>()).prop_map(|(host, number)| Fact::Number(host, number)),
            (hosts(), any::<u32>()).prop_map(|(host, count)| Fact::Nodes(host, count)),
            (hosts(), hosts(), flags).prop_map(|(from, to, flags)| Fact::Flags(from, to, flags)),
            hosts().prop_map(Fact::Running),
            (hosts(), kinds).prop_map(|(host, kind)| Fact::Noticed(host, kind.to_owned())),
        ]
    }

    proptest! {
        #[test]
        fn every_action_is_read_back_from_its_words(done in actions()) {
            let text = done.to_string();
            prop_assert!(VERBS.contains(&words(&text)[0].text), "{text}");
            prop_assert_eq!(action(&words(&text), HOSTS), Ok(done), "{}", text);
        }

        #[test]
        fn every_fact_is_read_back_from_its_words(expected in facts()) {
            let text = expected.to_string();
            prop_assert!(FACTS.contains(&words(&text)[0].text), "{text}");
            prop_assert_eq!(fact(&words(&text), HOSTS), Ok(expected), "{}", text);
        }
    }

    #[test]
    fn every_verb_and_fact_has_its_line_in_the_manual() {
        let manual = include_str!("../../../scenarios/README.md");
        let ours = manual.split("<!-- ctdb -->").nth(1).and_then(|rest| rest.split("<!-- /ctdb -->").next());
        let lines: Vec<_> = ours.expect("the table is marked").lines().collect();
        for word in VERBS.iter().chain(FACTS) {
            let begins = |line: &&str| {
                let told = line.strip_prefix("| `").and_then(|rest| rest.strip_prefix(word));
                let also = line.rsplit_once("| `").and_then(|(_, rest)| rest.strip_prefix(word));
                told.or(also).is_some_and(|rest| rest.starts_with([' ', '`']))
            };
            assert!(lines.iter().any(begins), "{word} is not in scenarios/README.md");
        }
        let told = lines.iter().filter_map(|line| line.strip_prefix("| `")?.split([' ', '`']).next());
        for word in told {
            assert!(VERBS.contains(&word) || FACTS.contains(&word), "there is no {word}");
        }
        for (_, word) in Forgery::ALL {
            assert!(lines.iter().any(|line| line.contains(&format!("`{word}`"))), "forgery {word}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_at_its_word() {
        let nearest = |text: &str| action(&words(text), 3).map_err(|wrong| (wrong.column, wrong.nearest));
        for (text, column, near) in [
            ("stop n3", 6, None),
            ("stop", 5, None),
            ("stop n1 n2", 9, None),
            ("forge n0 - n1 huge", 10, None),
            ("forge n0 -> n1 huge-", 16, Some("huge")),
            ("start-as n0 stoped", 13, Some("stopped")),
            ("version n2 4", 12, None),
            ("version n2 4.+1", 12, None),
            ("renodes all n0 -n9", 17, None),
            ("dissable n0", 1, Some("disable")),
        ] {
            let Err((at, meant)) = nearest(text) else { panic!("{text} is read") };
            assert_eq!(at, column, "{text}");
            assert!(near.is_none() || meant.as_deref() == near, "{text}: {meant:?}");
        }
        let wrong = fact(&words("flags n0 n1 stopped|baned"), 3).unwrap_err();
        assert_eq!((wrong.column, wrong.nearest.as_deref()), (21, Some("banned")));
        let wrong = fact(&words("noticed n0 node-ded"), 3).unwrap_err();
        assert_eq!((wrong.column, wrong.nearest.as_deref()), (12, Some("node-dead")));
    }
}
