//! What is done to a bed, from the words of a scenario.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::RwLock;
use std::time::Duration;

use standin_testbed::{Bed, Error, Network};

use super::words::{host, place, span};

/// One thing, to one node or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Start(Vec<usize>),
    Stop(Vec<usize>),
    Crash(Vec<usize>),
    Restart(Vec<usize>),
    PowerOff(Vec<usize>),
    PowerOn(Vec<usize>),
    Cable(Vec<usize>, Network, bool),
    Interface(Vec<usize>, Network, bool),
    NetworkRestart(Vec<usize>, Network, Duration),
    AddressDel(Vec<usize>, usize),
    AddressAdd(Vec<usize>, usize),
    /// Nothing from the first arrives at the second, or all does again.
    OneWay(Vec<(usize, usize)>, bool),
    Sides(Vec<Vec<usize>>),
    Whole,
    /// The stock tool, on these nodes.
    Tool(Whom, Vec<Word>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Nodes(Vec<usize>),
    Leader,
    /// The first that runs.
    Any,
}

/// A word of the tool's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Plain(String),
    Address(usize),
}

/// Reads one deed, or several with `and` between them; `look` is none.
pub(super) fn read(text: &str, nodes: usize, places: &BTreeMap<IpAddr, usize>) -> Result<Vec<Deed>, String> {
    if text == "look" {
        return Ok(Vec::new());
    }
    text.split(" and ").map(|text| single(text, nodes, places)).collect()
}

fn single(text: &str, nodes: usize, places: &BTreeMap<IpAddr, usize>) -> Result<Deed, String> {
    let mut words = text.split(' ');
    let verb = words.next().unwrap_or_default();
    let cannot = || format!("`{verb}` cannot be done on namespaces");
    let who = |word: Option<&str>| match word {
        Some("all") => Ok((0..nodes).collect()),
        word => host(word, nodes).map(|node| vec![node]),
    };
    let plain = |word: &str| vec![Word::Plain(word.into())];
    let befallen: Option<fn(Vec<usize>) -> Deed> = match verb {
        "start" => Some(Deed::Start),
        "stop" => Some(Deed::Stop),
        "crash" => Some(Deed::Crash),
        "restart" => Some(Deed::Restart),
        "power-off" => Some(Deed::PowerOff),
        "power-on" => Some(Deed::PowerOn),
        _ => None,
    };
    if let Some(befallen) = befallen {
        return who(words.next()).map(befallen);
    }
    let mut whom = || match words.next() {
        Some("leader") => Ok(Whom::Leader),
        word => who(word).map(Whom::Nodes),
    };
    Ok(match verb {
        "disable" | "enable" | "continue" | "unban" | "ipreallocate" | "shutdown" => {
            Deed::Tool(whom()?, plain(verb))
        }
        "stop-node" => Deed::Tool(whom()?, plain("stop")),
        "ban" => {
            let whom = whom()?;
            let seconds = span(words.next())?.as_secs();
            Deed::Tool(whom, vec![Word::Plain("ban".into()), Word::Plain(seconds.to_string())])
        }
        "moveip" => {
            let address = place(words.next(), places)?;
            let to = host(words.next(), nodes)?;
            let on = match words.next() {
                Some(_) => Whom::Nodes(vec![host(words.next(), nodes)?]),
                None => Whom::Any,
            };
            let args = [Word::Plain("moveip".into()), Word::Address(address), Word::Plain(to.to_string())];
            Deed::Tool(on, args.into())
        }
        "set-tunable" => {
            let whom = whom()?;
            let rest = words.map(|word| Word::Plain(word.into()));
            Deed::Tool(whom, plain("setvar").into_iter().chain(rest).collect())
        }
        "cable-pull" | "cable-plug" => {
            Deed::Cable(who(words.next())?, network(words.next())?, verb == "cable-plug")
        }
        "interface-down" | "interface-up" => {
            Deed::Interface(who(words.next())?, network(words.next())?, verb == "interface-up")
        }
        "network-restart" => {
            Deed::NetworkRestart(who(words.next())?, network(words.next())?, span(words.next())?)
        }
        "address-del" => Deed::AddressDel(who(words.next())?, place(words.next(), places)?),
        "address-add" => {
            let who = who(words.next())?;
            if network(words.next())? != Network::Public {
                return Err(format!("`{verb}` is for the public network alone on namespaces"));
            }
            Deed::AddressAdd(who, place(words.next(), places)?)
        }
        "cut" | "mend" => {
            if network(words.next())? != Network::Private {
                return Err(format!("`{verb}` is for the private network alone on namespaces"));
            }
            ways(&words.collect::<Vec<_>>(), verb == "cut", nodes)?
        }
        _ => return Err(cannot()),
    })
}

fn ways(words: &[&str], cut: bool, nodes: usize) -> Result<Deed, String> {
    if let [from, arrow @ ("->" | "<->"), to] = *words {
        let (from, to) = (host(Some(from), nodes)?, host(Some(to), nodes)?);
        let both = if arrow == "->" { vec![(from, to)] } else { vec![(from, to), (to, from)] };
        return Ok(Deed::OneWay(both, cut));
    }
    let sides = words.split(|word| *word == "|");
    let side = |side: &[&str]| side.iter().map(|word| host(Some(word), nodes)).collect();
    let sides: Vec<Vec<usize>> = sides.map(side).collect::<Result<_, _>>()?;
    if sides.iter().map(Vec::len).sum::<usize>() < nodes || sides.len() > 4 {
        return Err("`|`: every node is on one of at most 4 sides on namespaces".into());
    }
    Ok(if cut { Deed::Sides(sides) } else { Deed::Whole })
}

fn network(word: Option<&str>) -> Result<Network, String> {
    let found = Network::ALL.into_iter().find(|network| Some(network.name()) == word);
    found.ok_or_else(|| format!("`{}` is no network", word.unwrap_or_default()))
}

impl Deed {
    /// Does it; returns when it is done. Only a power switch keeps others from the bed.
    pub(super) fn carry_out(&self, bed: &RwLock<Bed>) -> Result<(), Error> {
        let read = || bed.read().expect("nobody panics with the bed");
        let write = || bed.write().expect("nobody panics with the bed");
        match self {
            Self::Start(who) => who.iter().try_for_each(|&node| read().start(node)),
            Self::Stop(who) => who.iter().try_for_each(|&node| read().stop(node)),
            Self::Crash(who) => who.iter().try_for_each(|&node| read().kill(node)),
            Self::Restart(who) => who.iter().try_for_each(|&node| {
                let bed = read();
                bed.kill(node)?;
                bed.start(node)
            }),
            Self::PowerOff(who) => who.iter().try_for_each(|&node| write().power_off(node)),
            Self::PowerOn(who) => who.iter().try_for_each(|&node| {
                write().power_on(node)?;
                read().start(node)
            }),
            Self::Cable(who, network, plugged) => {
                who.iter().try_for_each(|&node| read().cable(node, *network, *plugged))
            }
            Self::Interface(who, network, up) => {
                who.iter().try_for_each(|&node| read().interface(node, *network, *up))
            }
            Self::NetworkRestart(who, network, down) => {
                who.iter().try_for_each(|&node| read().restart_network_for(node, *network, *down))
            }
            Self::AddressDel(who, place) => who.iter().try_for_each(|&node| {
                let bed = read();
                bed.address_delete(node, bed.addresses()[*place])
            }),
            Self::AddressAdd(who, place) => who.iter().try_for_each(|&node| {
                let bed = read();
                bed.address_add(node, bed.addresses()[*place])
            }),
            Self::OneWay(ways, lost) => {
                ways.iter().try_for_each(|&(from, to)| read().one_way_loss(from, to, *lost))
            }
            Self::Sides(sides) => {
                let sides: Vec<&[usize]> = sides.iter().map(Vec::as_slice).collect();
                read().partition(Network::Private, &sides)
            }
            Self::Whole => read().heal(Network::Private),
            Self::Tool(whom, words) => {
                let bed = read();
                let args: Vec<String> = words
                    .iter()
                    .map(|word| match word {
                        Word::Plain(word) => word.clone(),
                        Word::Address(place) => bed.addresses()[*place].to_string(),
                    })
                    .collect();
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                whom.nodes(&bed)?.into_iter().try_for_each(|node| {
                    let said = bed.tool(node, &args)?;
                    let told = format!("{}{}", said.err.trim(), said.out.trim());
                    let failed = || Error::new(format!("`ctdb {}` on n{node}: {told}", args.join(" ")));
                    if said.ok() { Ok(()) } else { Err(failed()) }
                })
            }
        }
    }
}

impl Whom {
    fn nodes(&self, bed: &Bed) -> Result<Vec<usize>, Error> {
        let runs = |node: &usize| bed.runs(*node).unwrap_or_default();
        match self {
            Self::Nodes(nodes) => Ok(nodes.clone()),
            Self::Leader => {
                let leads = |node: &usize| runs(node) && bed.leader(*node) == Ok(*node);
                let found = (0..bed.len()).find(leads);
                found.map(|node| vec![node]).ok_or_else(|| Error::new("nobody leads"))
            }
            Self::Any => {
                let found = (0..bed.len()).find(runs);
                found.map(|node| vec![node]).ok_or_else(|| Error::new("no daemon runs"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> BTreeMap<IpAddr, usize> {
        [([10, 1, 0, 10].into(), 0), ([10, 1, 0, 11].into(), 1)].into()
    }

    fn deeds(text: &str) -> Vec<Deed> {
        read(text, 3, &places()).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn deeds_are_read_from_their_words() {
        assert_eq!(deeds("look"), []);
        assert_eq!(deeds("power-off n1"), [Deed::PowerOff(vec![1])]);
        assert_eq!(deeds("stop all"), [Deed::Stop(vec![0, 1, 2])]);
        assert_eq!(deeds("cable-pull n1 public"), [Deed::Cable(vec![1], Network::Public, false)]);
        assert_eq!(deeds("address-del n2 10.1.0.11"), [Deed::AddressDel(vec![2], 1)]);
        assert_eq!(deeds("cut private n0 n1 | n2"), [Deed::Sides(vec![vec![0, 1], vec![2]])]);
        assert_eq!(deeds("mend private n0 -> n1"), [Deed::OneWay(vec![(0, 1)], false)]);
        let second = Duration::from_secs(1);
        let restart = Deed::NetworkRestart(vec![1], Network::Public, second);
        assert_eq!(deeds("network-restart n1 public 1s"), [restart]);
        let ban = ["ban", "60"].map(|word| Word::Plain(word.into()));
        let both = [
            Deed::Tool(Whom::Leader, ban.into()),
            Deed::Tool(Whom::Nodes(vec![1]), vec![Word::Plain("disable".into())]),
        ];
        assert_eq!(deeds("ban leader 1m and disable n1"), both);
    }

    #[test]
    fn what_no_bed_can_do_is_refused_with_its_word() {
        for (text, word) in [
            ("clock-jump n1 3s", "`clock-jump`"),
            ("cut public n0 | n1 n2", "`cut`"),
            ("cut private n0 | n1", "`|`"),
            ("address-del n1 10.9.9.9", "`10.9.9.9`"),
            ("heal", "`heal`"),
        ] {
            let why = read(text, 3, &places()).unwrap_err();
            assert!(why.starts_with(word), "{text}: {why}");
        }
    }
}
