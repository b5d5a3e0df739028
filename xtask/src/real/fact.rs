//! What is expected of a bed, from the words of a scenario, and what has to be asked for it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::words::{host, place};

/// A fact; addresses are places among the bed's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Running(usize),
    Connected(usize, usize),
    AllConnected,
    Dead(usize),
    /// The second's flags in the eyes of the first, without disconnected and unhealthy.
    Flags(usize, usize, Vec<String>),
    Healthy(usize, bool),
    Banned(usize),
    RunState(usize, String),
    /// In recovery mode or not.
    Recovering(usize, bool),
    Leader(usize),
    NoLeader,
    GenerationAgreed,
    Address(usize, Served),
    AllServed,
    Balanced,
    Holds(usize, usize),
    Holder(usize, usize, Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    On(usize),
    Nowhere,
    Twice,
    Answers,
}

/// What is asked of one node, over and over while it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// Its kernel: the public addresses others can reach.
    Held,
    /// Whether its daemon runs.
    Runs,
    /// `ctdb -X status`: everybody's flags.
    Flags,
    /// `ctdb status`: leader, recovery mode, generation. Takes up to a second.
    Cluster,
    /// `ctdb runstate`.
    RunState,
    /// `ctdb -X ip`.
    Holders,
}

impl Question {
    pub(super) const ALL: [Self; 6] =
        [Self::Held, Self::Runs, Self::Flags, Self::Cluster, Self::RunState, Self::Holders];
}

pub(super) fn read(text: &str, nodes: usize, places: &BTreeMap<IpAddr, usize>) -> Result<Fact, String> {
    let mut words = text.split(' ');
    let kind = words.next().unwrap_or_default();
    Ok(match kind {
        "running" => Fact::Running(host(words.next(), nodes)?),
        "connected" => match words.next() {
            Some("all") => Fact::AllConnected,
            word => Fact::Connected(host(word, nodes)?, host(words.next(), nodes)?),
        },
        "dead" => Fact::Dead(host(words.next(), nodes)?),
        "flags" => {
            let (from, of) = (host(words.next(), nodes)?, host(words.next(), nodes)?);
            let flags = words.next().unwrap_or_default().split('|').filter(|flag| *flag != "ok");
            let mut flags: Vec<String> = flags.map(str::to_owned).collect();
            flags.sort_unstable();
            Fact::Flags(from, of, flags)
        }
        "healthy" | "unhealthy" => Fact::Healthy(host(words.next(), nodes)?, kind == "healthy"),
        "banned" => Fact::Banned(host(words.next(), nodes)?),
        "runstate" => Fact::RunState(host(words.next(), nodes)?, words.next().unwrap_or_default().into()),
        "mode" => Fact::Recovering(host(words.next(), nodes)?, words.next() == Some("recovery")),
        "leader" => Fact::Leader(host(words.next(), nodes)?),
        "no-leader" => Fact::NoLeader,
        "generation-agreed" => Fact::GenerationAgreed,
        "address" => {
            let address = place(words.next(), places)?;
            let served = match words.next() {
                Some("on") => Served::On(host(words.next(), nodes)?),
                Some("nowhere") => Served::Nowhere,
                Some("twice") => Served::Twice,
                _ => Served::Answers,
            };
            Fact::Address(address, served)
        }
        "all-served" => Fact::AllServed,
        "balanced" => Fact::Balanced,
        "holds" => {
            let node = host(words.next(), nodes)?;
            let count = words.next().unwrap_or_default();
            Fact::Holds(node, count.parse().map_err(|_| format!("`{count}` is no number"))?)
        }
        "holder" => {
            let (at, address) = (host(words.next(), nodes)?, place(words.next(), places)?);
            let of = match words.next() {
                Some("nobody") => None,
                word => Some(host(word, nodes)?),
            };
            Fact::Holder(at, address, of)
        }
        _ => return Err(format!("`{kind}` cannot be seen on namespaces")),
    })
}

impl Fact {
    /// What has to be asked, and of whom: one node or all.
    pub(super) fn asks(&self) -> Vec<(Question, Option<usize>)> {
        use Question as Q;
        match *self {
            Self::Running(node) => vec![(Q::Runs, Some(node))],
            Self::Connected(from, _) | Self::Flags(from, _, _) => vec![(Q::Flags, Some(from))],
            Self::AllConnected | Self::Dead(_) => vec![(Q::Flags, None)],
            Self::Healthy(node, _) | Self::Banned(node) => vec![(Q::Flags, Some(node))],
            Self::RunState(node, _) => vec![(Q::RunState, Some(node))],
            Self::Recovering(node, _) => vec![(Q::Cluster, Some(node))],
            Self::Leader(_) | Self::GenerationAgreed => vec![(Q::Cluster, None), (Q::Flags, None)],
            Self::NoLeader => vec![(Q::Cluster, None)],
            Self::Address(_, Served::Answers) => Vec::new(),
            Self::Address(..) | Self::AllServed => vec![(Q::Held, None)],
            Self::Balanced => vec![(Q::Held, None), (Q::Flags, None)],
            Self::Holds(node, _) => vec![(Q::Held, Some(node))],
            Self::Holder(node, _, _) => vec![(Q::Holders, Some(node))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_their_words() {
        let places: BTreeMap<IpAddr, usize> = [([10, 1, 0, 10].into(), 0)].into();
        let fact = |text: &str| read(text, 3, &places);
        assert_eq!(fact("connected all"), Ok(Fact::AllConnected));
        assert_eq!(fact("connected n0 n2"), Ok(Fact::Connected(0, 2)));
        let flags = Fact::Flags(0, 1, vec!["disabled".into(), "stopped".into()]);
        assert_eq!(fact("flags n0 n1 stopped|disabled"), Ok(flags));
        assert_eq!(fact("flags n0 n1 ok"), Ok(Fact::Flags(0, 1, Vec::new())));
        assert_eq!(fact("address 10.1.0.10 on n2"), Ok(Fact::Address(0, Served::On(2))));
        assert_eq!(fact("holder n0 10.1.0.10 nobody"), Ok(Fact::Holder(0, 0, None)));
        assert_eq!(fact("holds n1 3"), Ok(Fact::Holds(1, 3)));
        for (text, word) in [("noticed n1 ban", "`noticed`"), ("pnn n1 1", "`pnn`"), ("dead n3", "`n3`")] {
            assert!(fact(text).unwrap_err().starts_with(word), "{text}");
        }
    }
}
