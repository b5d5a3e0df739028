//! An allocation problem from a JSON file: what `allocate` is asked.
//!
//! The file is read strictly: an unknown field, a node out of order or an address that is none
//! is refused where it stands, because a plan for another problem than the one meant would look
//! just as convincing.

use std::fmt;
use std::net::IpAddr;

use serde::de::{Error, IgnoredAny, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use standin_core::ctdb::ipalloc::{Algorithm, NodeView, Problem};
use standin_core::ctdb::types::{Pnn, RunState};

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Line and column, from 1, if it is in one place.
    pub place: Option<(usize, usize)>,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        f.write_str(&self.what)
    }
}

/// The problem a file describes.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(text: &[u8]) -> Result<Problem, Wrong> {
    let file: File = serde_json::from_slice(text).map_err(|why| {
        let told = why.to_string();
        let place = format!(" at line {} column {}", why.line(), why.column());
        match told.strip_suffix(&place) {
            Some(what) if why.line() > 0 => {
                Wrong { place: Some((why.line(), why.column().max(1))), what: what.to_owned() }
            }
            _ => Wrong { place: None, what: told },
        }
    })?;
    file.problem().map_err(|what| Wrong { place: None, what })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a problem's fields")]
#[expect(dead_code, reason = "what a file may say beside its problem")]
struct File {
    name: Option<String>,
    source: Option<String>,
    algorithm: Name,
    #[serde(default)]
    tunables: Tunables,
    #[serde(default)]
    force_rebalance: Vec<u32>,
    #[serde(deserialize_with = "in_order")]
    nodes: Vec<Node>,
    expected: Option<IgnoredAny>,
}

#[derive(Deserialize)]
enum Name {
    #[serde(rename = "lcp2")]
    Lcp2,
    #[serde(rename = "nondet")]
    NonDeterministic,
    #[serde(rename = "det")]
    Deterministic,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "an object with tunables")]
struct Tunables {
    #[serde(rename = "NoIPTakeover")]
    no_ip_takeover: u32,
    #[serde(rename = "NoIPFailback")]
    no_ip_failback: u32,
}

impl File {
    fn problem(self) -> Result<Problem, String> {
        let nodes = self.nodes.len();
        if let Some(stranger) = self.force_rebalance.iter().find(|&&pnn| pnn as usize >= nodes) {
            return Err(format!("force_rebalance: there is no node {stranger}, expected less than {nodes}"));
        }
        Ok(Problem {
            algorithm: match self.algorithm {
                Name::Lcp2 => Algorithm::Lcp2,
                Name::NonDeterministic => Algorithm::NonDeterministic,
                Name::Deterministic => Algorithm::Deterministic,
            },
            no_ip_takeover: self.tunables.no_ip_takeover != 0,
            no_ip_failback: self.tunables.no_ip_failback != 0,
            forced: self.force_rebalance.into_iter().map(Pnn).collect(),
            nodes: self.nodes.into_iter().map(|node| node.view).collect(),
        })
    }
}

/// A node that is what it says.
#[derive(Deserialize)]
#[serde(try_from = "NodeFields")]
struct Node {
    pnn: u32,
    view: NodeView,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a node's fields")]
struct NodeFields {
    pnn: u32,
    flags: u32,
    #[serde(deserialize_with = "runstate")]
    runstate: RunState,
    can_host: Option<bool>,
    known: Vec<(Address, Owner)>,
}

impl TryFrom<NodeFields> for Node {
    type Error = String;

    fn try_from(fields: NodeFields) -> Result<Self, String> {
        let NodeFields { pnn, flags, runstate, can_host, known } = fields;
        let can = runstate == RunState::Running && flags == 0;
        if let Some(said) = can_host.filter(|&said| said != can) {
            return Err(format!(
                "node {pnn}: can_host is {said}, expected {can}: its runstate is {runstate}, its flags {flags}"
            ));
        }
        let known: Vec<_> =
            known.into_iter().map(|(Address(address), Owner(owner))| (address, owner)).collect();
        let available = known.iter().map(|&(address, _)| address).filter(|_| can).collect();
        Ok(Self { pnn, view: NodeView { known, available } })
    }
}

/// Nodes whose numbers are their places.
fn in_order<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Node>, D::Error> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<Node>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of nodes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<Node>, A::Error> {
            let mut nodes: Vec<Node> = Vec::new();
            while let Some(node) = from.next_element::<Node>()? {
                if node.pnn as usize != nodes.len() {
                    let (found, place) = (node.pnn, nodes.len());
                    return Err(A::Error::custom(format_args!(
                        "node {found} is out of order, expected node {place}: pnn counts from 0 without gaps"
                    )));
                }
                nodes.push(node);
            }
            Ok(nodes)
        }
    }
    from.deserialize_seq(InOrder)
}

/// One of the names of a [`RunState`].
fn runstate<'de, D: Deserializer<'de>>(from: D) -> Result<RunState, D::Error> {
    let states = || (0..).map_while(|number| RunState::try_from(number).ok());
    let names: Vec<String> = states().map(|state| state.to_string()).collect();
    let expected = format!("a runstate, one of {}", names.join(", "));
    text(from, &expected, |name| states().find(|state| state.to_string() == name))
}

/// An address as text.
struct Address(IpAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text(from, "an IPv4 or IPv6 address", |address| address.parse().ok()).map(Self)
    }
}

/// A text that means something.
fn text<'de, D: Deserializer<'de>, T>(
    from: D,
    expected: &str,
    meaning: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct Text<'a, F>(&'a str, F);
    impl<F: Fn(&str) -> Option<T>, T> Visitor<'_> for Text<'_, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self.0))
        }
    }
    from.deserialize_str(Text(expected, meaning))
}

/// A node's number; -1 is nobody.
struct Owner(Option<Pnn>);

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Owner;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a node's number, or -1 for nobody")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Owner, E> {
                let pnn = u32::try_from(number).ok().and_then(|pnn| Pnn(pnn).known());
                pnn.map_or_else(
                    || Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                    |pnn| Ok(Owner(Some(pnn))),
                )
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Owner, E> {
                if number == -1 {
                    Ok(Owner(None))
                } else {
                    Err(E::invalid_value(Unexpected::Signed(number), &self))
                }
            }
        }
        from.deserialize_i64(Number)
    }
}
