//! What a control asks of this node: opcode → answer, and what is to follow.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::config::Config;
use super::cx::Cx;
use super::files::nodes::Nodes;
use super::state::State;
use super::tunables::{self, TUNABLES};
use super::types::{NodeFlags, Pnn};
use super::wire::{
    AllTunables, NodeEntry, NodeMap, ReplyData, RequestData, Text, TunableNames, TunableValue, VnnMap,
    WireAddr,
};

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: i32,
    pub(super) data: ReplyData,
    pub(super) error: &'static str,
}

impl Answer {
    pub(super) const OK: Self = Self::status(0);
    /// What ctdbd answers to what it does not know or does not do.
    pub(super) const REFUSED: Self = Self::status(-1);

    pub(super) const fn status(status: i32) -> Self {
        Self { status, data: ReplyData::Empty, error: "" }
    }

    pub(super) const fn failed(error: &'static str) -> Self {
        Self { status: -1, data: ReplyData::Empty, error }
    }

    pub(super) const fn data(data: ReplyData) -> Self {
        Self { status: 0, data, error: "" }
    }
}

/// What the parent does with a control.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Then {
    /// Answer.
    Answer(Answer),
    /// Stop; nobody is answered.
    Shutdown,
    /// Read the nodes file and take it over; answer then.
    Reload,
    /// Read the nodes file and show it; answer then.
    ShowNodes,
    /// Set and clear own flags; answer 0.
    OwnFlags { set: NodeFlags, clear: NodeFlags },
    /// Somebody says how a node's flags are; answer 0.
    Flags(Pnn, NodeFlags),
    /// Set a tunable; answer this.
    Tunable(&'static str, u32, Answer),
}

/// The answer to what nodes ask each other in every round; `None` if it is something else. Apart
/// from the other controls, because it is asked a thousand times as often.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not named is not asked in rounds")]
pub(super) fn polled(config: &Config, state: &State, request: &RequestData) -> Option<Answer> {
    Some(match request {
        RequestData::GetCapabilities => Answer::data(ReplyData::Capabilities(config.capabilities)),
        RequestData::GetNodemap => Answer::data(ReplyData::NodeMap(node_map(state, config.port))),
        RequestData::GetRecMode => Answer::status(state.recovery_mode as i32),
        RequestData::GetVnnMap => Answer::data(ReplyData::VnnMap(VnnMap {
            generation: state.generation,
            map: state.vnn_map.clone(),
        })),
        _ => return None,
    })
}

/// Judges a control addressed to us that is not [`polled`].
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not named is refused, whatever it is")]
pub(super) fn judge(cx: &Cx<'_>, state: &State, request: &RequestData, clients: usize) -> Then {
    let flags = |set, clear| Then::OwnFlags { set, clear };
    let none = NodeFlags::empty();
    Then::Answer(match request {
        RequestData::Ping => Answer::status(clients as i32),
        RequestData::GetPnn => Answer::status(state.own().0 as i32),
        RequestData::GetRunState => Answer::data(ReplyData::RunState(state.runstate)),
        RequestData::GetReclockFile => match cx.config.cluster_lock.as_deref() {
            Some(name) => Answer::data(ReplyData::Text(Text::from(name))),
            None => Answer::OK,
        },
        // Without databases there is nothing to freeze.
        RequestData::Freeze => Answer::OK,
        RequestData::EchoData(echo) => Answer::data(ReplyData::Echo(echo.clone())),
        RequestData::GetAllTunables => {
            Answer::data(ReplyData::AllTunables(Box::new(AllTunables(*cx.config.tunables.values()))))
        }
        RequestData::ListTunables => {
            let names = Text::from(tunables::list_text().as_str());
            Answer::data(ReplyData::TunableNames(TunableNames { names }))
        }
        RequestData::GetTunable(wanted) => {
            match wanted.name.as_str().and_then(|name| cx.config.tunables.get(name)) {
                Some(value) => Answer::data(ReplyData::TunableValue(TunableValue(value))),
                None => Answer::status(-22),
            }
        }
        RequestData::SetTunable(wanted) => {
            let name = wanted.name.as_str().unwrap_or_default();
            match tunables::position(name).map(|at| &TUNABLES[at]) {
                Some(tunable) => {
                    let status = i32::from(tunable.obsolete);
                    return Then::Tunable(tunable.name, wanted.value, Answer::status(status));
                }
                None => Answer::REFUSED,
            }
        }
        RequestData::ModifyFlags(change) => return modify_flags(state, change.pnn, change.new),
        RequestData::DisableNode => return flags(NodeFlags::PERMANENTLY_DISABLED, none),
        RequestData::EnableNode => return flags(none, NodeFlags::PERMANENTLY_DISABLED),
        RequestData::ContinueNode => return flags(none, NodeFlags::STOPPED),
        RequestData::Shutdown => return Then::Shutdown,
        RequestData::ReloadNodesFile => return Then::Reload,
        RequestData::GetNodesFile => return Then::ShowNodes,
        // What is not ours to answer yet, or anybody's.
        _ => Answer::REFUSED,
    })
}

/// Everybody owns their own flags: what others say of us is ignored, what they say of a node we
/// have no connection to as well, and whether we are connected is ours alone to know.
fn modify_flags(state: &State, pnn: Pnn, new: NodeFlags) -> Then {
    let Some(node) = state.node(pnn) else { return Then::Answer(Answer::REFUSED) };
    if state.is_me(pnn) || !node.is_connected() {
        return Then::Answer(Answer::OK);
    }
    let own = node.flags & NodeFlags::DISCONNECTED;
    Then::Flags(pnn, own | (new - NodeFlags::DISCONNECTED))
}

fn node_map(state: &State, port: u16) -> NodeMap {
    let entry = |pnn: Pnn| {
        let node = state.node(pnn).expect("every number has a node");
        NodeEntry { pnn, flags: node.flags, address: wire_address(node.address, port) }
    };
    NodeMap { nodes: state.all().map(entry).collect() }
}

/// A nodes file as GET_NODES_FILE shows it: flags are 0 or DELETED.
pub(super) fn shown(file: &Nodes, port: u16) -> Answer {
    let nodes: Vec<_> = file
        .iter()
        .map(|(pnn, address)| NodeEntry {
            pnn: Pnn(pnn),
            flags: if address.is_some() { NodeFlags::empty() } else { NodeFlags::DELETED },
            address: wire_address(address, port),
        })
        .collect();
    Answer::data(ReplyData::NodeMap(NodeMap { nodes }))
}

fn wire_address(address: Option<IpAddr>, port: u16) -> WireAddr {
    SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port).into()
}
