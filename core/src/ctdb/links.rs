//! One TCP link a direction: we write on the one we dialled and read from the one they dialled.
//! A node counts as connected only with both.
//!
//! There is no identification beyond the source address. Limits and retries are ctdbd's: a
//! connect is given up after 1 s and begun again at once, a refused one again after 1 s, a lost
//! link at once.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::config::Config;
use super::cx::{Cx, Wake};
use super::plant::Plant;
use super::state::State;
use super::types::Pnn;
use super::wire::NodeFraming;
use crate::bytes::FrameBuffer;
use crate::machine::{Effect, How, LinkId, PortId, Why};
use crate::time::{Duration, Instant};

/// The port nodes dial.
pub(super) const BUS: PortId = PortId(0);

/// How many links are told apart without a search.
const GUESSES: usize = 256;

/// How long a connect may take, and how long a refused one waits.
const DIAL_LIMIT: Duration = Duration::from_secs(1);
const REDIAL_AFTER: Duration = Duration::from_secs(1);

/// Answers that wait for a link being dialled, for each node at most.
const HELD_MAX: usize = 16;

/// The links of all nodes, by number.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Links {
    peers: Vec<Peer>,
    /// What is rarely asked of each of them.
    calls: Vec<Call>,
    /// Whose an accepted link is, sorted by link.
    accepted: Vec<(LinkId, Pnn)>,
    /// Whose the link last accepted in this place was: a guess that spares most searches, good
    /// only if that node holds the link still.
    #[cfg_attr(feature = "serde", serde(skip, default = "no_guesses"))]
    guesses: [Pnn; GUESSES],
    /// Links dialled so far: numbers the next one.
    dialled: u64,
}

/// What every packet asks for: a cache line.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(align(64))]
struct Peer {
    outgoing: Outgoing,
    incoming: Option<LinkId>,
    stream: FrameBuffer<NodeFraming>,
}

const _: () = assert!(size_of::<Peer>() == 64, "a cache line");

/// What becomes of dialling a node.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Call {
    /// A refused connect has been told since the last good one.
    told: bool,
    /// Answers for when our link is open.
    held: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Outgoing {
    /// Not wanted, or waiting for its timer.
    Idle,
    Dialling(LinkId),
    Open(LinkId, Instant),
}

/// What became of a link, for the parent to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing that matters outside.
    Nothing,
    /// Both links of this node are up now.
    Both(Pnn),
    /// The link we opened is no more.
    LostOut(Pnn, Why),
    /// The link it opened is no more.
    LostIn(Pnn, Why),
    /// Its source is no node's address.
    Stranger(IpAddr),
    /// The node has a link to us already.
    Duplicate(Pnn),
    /// Our connect failed, for the first time in a row.
    Unreachable(Pnn, Why),
}

/// Whose link bytes came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The node's own link to us.
    In(Pnn),
    /// Our link to the node, on which it has no business to write.
    Out(Pnn),
    /// Nobody's: given up already.
    Gone,
}

impl Links {
    /// Makes room for so many nodes; links of numbers beyond are closed by
    /// [`drop_peer`](Self::drop_peer) before.
    pub(super) fn resize(&mut self, count: usize) {
        let fresh = Peer { outgoing: Outgoing::Idle, incoming: None, stream: FrameBuffer::new() };
        self.peers.resize(count, fresh);
        self.calls.resize_with(count, Call::default);
    }

    /// Dials a node now, unless a link is open or under way.
    pub(super) fn dial(&mut self, cx: &mut Cx<'_>, state: &State, pnn: Pnn) {
        let wanted = state.is_peer(pnn) || (state.is_me(pnn) && cx.config.plants.has(Plant::KeepaliveToSelf));
        let Some(to) = state.node(pnn).and_then(|node| node.address).filter(|_| wanted) else { return };
        let peer = &mut self.peers[pnn.0 as usize];
        if peer.outgoing != Outgoing::Idle {
            return;
        }
        let link = LinkId(self.dialled * 2);
        self.dialled += 1;
        peer.outgoing = Outgoing::Dialling(link);
        let from = state.node(state.own()).and_then(|node| node.address);
        cx.timers.cancel(Wake::Redial(pnn));
        cx.timers.set(Wake::DialLimit(pnn), cx.now + DIAL_LIMIT);
        cx.push(Effect::Dial { link, from, to: SocketAddr::new(to, cx.config.port) });
    }

    /// The connect has had its second: give it up and begin again.
    pub(super) fn dial_limit(&mut self, cx: &mut Cx<'_>, state: &State, pnn: Pnn) -> Event {
        let Some(peer) = self.peers.get_mut(pnn.0 as usize) else { return Event::Nothing };
        let Outgoing::Dialling(link) = peer.outgoing else { return Event::Nothing };
        peer.outgoing = Outgoing::Idle;
        let event = self.failed(pnn, Why::TimedOut);
        cx.push(Effect::Close { link, how: How::Abort });
        self.dial(cx, state, pnn);
        event
    }

    /// A link we dialled is up.
    pub(super) fn opened(&mut self, cx: &mut Cx<'_>, link: LinkId) -> Event {
        let now = cx.now;
        for (at, peer) in self.peers.iter_mut().enumerate() {
            if peer.outgoing == Outgoing::Dialling(link) {
                let pnn = Pnn(at as u32);
                peer.outgoing = Outgoing::Open(link, now);
                let call = &mut self.calls[at];
                call.told = false;
                for bytes in core::mem::take(&mut call.held) {
                    cx.push(Effect::Send { link, bytes });
                }
                cx.timers.cancel(Wake::DialLimit(pnn));
                return peer.both(pnn);
            }
        }
        cx.push(Effect::Close { link, how: How::Abort });
        Event::Nothing
    }

    /// Somebody dialled us.
    pub(super) fn accepted(&mut self, cx: &mut Cx<'_>, state: &State, link: LinkId, from: IpAddr) -> Event {
        let plants = cx.config.plants;
        let itself = plants.has(Plant::KeepaliveToSelf);
        let known = state.find(from).filter(|&pnn| state.is_peer(pnn) || itself);
        let Some(pnn) = known else {
            if !plants.has(Plant::SourceUnchecked) {
                cx.push(Effect::Close { link, how: How::Orderly });
            }
            return Event::Stranger(from);
        };
        let Some(peer) = self.peers.get_mut(pnn.0 as usize) else {
            // We do not listen yet, as far as we know.
            cx.push(Effect::Close { link, how: How::Orderly });
            return Event::Nothing;
        };
        if peer.incoming.is_some() {
            if plants.has(Plant::StaleLinkCounted) {
                self.remember(link, pnn);
            } else {
                cx.push(Effect::Close { link, how: How::Orderly });
            }
            return Event::Duplicate(pnn);
        }
        peer.incoming = Some(link);
        peer.stream = FrameBuffer::new();
        let event = peer.both(pnn);
        self.remember(link, pnn);
        if cx.config.plants.has(Plant::OneDirectionEnough) { Event::Both(pnn) } else { event }
    }

    fn remember(&mut self, link: LinkId, pnn: Pnn) {
        self.guesses[guess(link)] = pnn;
        let place = self.accepted.partition_point(|&(held, _)| held < link);
        self.accepted.insert(place, (link, pnn));
    }

    /// Whose link this is.
    #[inline]
    pub(super) fn whose(&self, link: LinkId) -> Whose {
        let likely = self.guesses[guess(link)];
        if self.is_incoming(likely, link) {
            return Whose::In(likely);
        }
        self.search(link)
    }

    fn search(&self, link: LinkId) -> Whose {
        if let Ok(place) = self.accepted.binary_search_by_key(&link, |&(held, _)| held) {
            return Whose::In(self.accepted[place].1);
        }
        let mut peers = self.peers.iter();
        let ours = peers.position(|peer| matches!(peer.outgoing, Outgoing::Open(held, _) if held == link));
        ours.map_or(Whose::Gone, |at| Whose::Out(Pnn(at as u32)))
    }

    /// The stream of a node's link to us, as long as this is it.
    #[inline]
    pub(super) fn stream(
        &mut self,
        config: &Config,
        pnn: Pnn,
        link: LinkId,
    ) -> Option<&mut FrameBuffer<NodeFraming>> {
        let peer = self.peers.get_mut(pnn.0 as usize)?;
        let read = peer.incoming == Some(link) || config.plants.has(Plant::StaleLinkCounted);
        read.then_some(&mut peer.stream)
    }

    /// Whether a node's link to us is this one.
    #[inline]
    fn is_incoming(&self, pnn: Pnn, link: LinkId) -> bool {
        self.peers.get(pnn.0 as usize).is_some_and(|peer| peer.incoming == Some(link))
    }

    /// Both links of a node are up.
    pub(super) fn has_both(&self, pnn: Pnn) -> bool {
        self.peers.get(pnn.0 as usize).is_some_and(|peer| peer.both(pnn) != Event::Nothing)
    }

    /// Our link to a node has been open for so long and the node has none to us.
    pub(super) fn is_unanswered(&self, pnn: Pnn, now: Instant, patience: Duration) -> bool {
        let Some(peer) = self.peers.get(pnn.0 as usize) else { return false };
        match peer.outgoing {
            Outgoing::Open(_, since) => peer.incoming.is_none() && now.since(since) >= patience,
            Outgoing::Idle | Outgoing::Dialling(_) => false,
        }
    }

    /// The link to write to a node on, if it is open.
    #[inline]
    pub(super) fn outgoing(&self, pnn: Pnn) -> Option<LinkId> {
        match self.peers.get(pnn.0 as usize)?.outgoing {
            Outgoing::Open(link, _) => Some(link),
            Outgoing::Idle | Outgoing::Dialling(_) => None,
        }
    }

    /// Keeps an answer for a node whose link is being dialled: it may have heard of our link before
    /// we do, and asks at once. Given back if it is lost.
    pub(super) fn hold(&mut self, pnn: Pnn, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let at = pnn.0 as usize;
        let dialling = matches!(self.peers.get(at), Some(Peer { outgoing: Outgoing::Dialling(_), .. }));
        if !dialling || self.calls[at].held.len() >= HELD_MAX {
            return Some(bytes);
        }
        self.calls[at].held.push(bytes);
        None
    }

    /// A link is no more.
    pub(super) fn closed(&mut self, cx: &mut Cx<'_>, link: LinkId, why: Why) -> Event {
        if let Ok(place) = self.accepted.binary_search_by_key(&link, |&(held, _)| held) {
            let (_, pnn) = self.accepted.remove(place);
            let Some(peer) = self.peers.get_mut(pnn.0 as usize) else { return Event::Nothing };
            if peer.incoming != Some(link) {
                return Event::Nothing;
            }
            peer.incoming = None;
            return Event::LostIn(pnn, why);
        }
        for (at, peer) in self.peers.iter_mut().enumerate() {
            let pnn = Pnn(at as u32);
            match peer.outgoing {
                Outgoing::Dialling(held) if held == link => {
                    peer.outgoing = Outgoing::Idle;
                    cx.timers.cancel(Wake::DialLimit(pnn));
                    cx.timers.set(Wake::Redial(pnn), cx.now + REDIAL_AFTER);
                    return self.failed(pnn, why);
                }
                Outgoing::Open(held, since) if held == link => {
                    peer.outgoing = Outgoing::Idle;
                    let brief = cx.now.since(since) < REDIAL_AFTER;
                    if brief && cx.config.fixes.patient_redial {
                        cx.timers.set(Wake::Redial(pnn), cx.now + REDIAL_AFTER);
                    }
                    if why == Why::Eof && cx.config.plants.has(Plant::ReconnectForgotten) {
                        let never = Duration::from_secs(1 << 30);
                        cx.timers.set(Wake::Redial(pnn), cx.now + never);
                    }
                    return Event::LostOut(pnn, why);
                }
                Outgoing::Idle | Outgoing::Dialling(_) | Outgoing::Open(..) => {}
            }
        }
        Event::Nothing
    }

    /// Closes both links of a node.
    pub(super) fn drop_peer(&mut self, cx: &mut Cx<'_>, pnn: Pnn) {
        let Some(peer) = self.peers.get_mut(pnn.0 as usize) else { return };
        if let Some(link) = peer.incoming.take() {
            self.accepted.retain(|&(held, _)| held != link);
            cx.push(Effect::Close { link, how: How::Orderly });
        }
        let (link, how) = match peer.outgoing {
            Outgoing::Idle => return,
            Outgoing::Dialling(link) => (link, How::Abort),
            Outgoing::Open(link, _) => (link, How::Orderly),
        };
        peer.outgoing = Outgoing::Idle;
        self.calls[pnn.0 as usize].held.clear();
        cx.timers.cancel(Wake::DialLimit(pnn));
        cx.push(Effect::Close { link, how });
    }

    /// Dials a lost node again: at once, unless a timer says later.
    pub(super) fn dial_again(&mut self, cx: &mut Cx<'_>, state: &State, pnn: Pnn) {
        if cx.timers.at(Wake::Redial(pnn)).is_none() {
            self.dial(cx, state, pnn);
        }
    }

    /// A connect of ours has failed.
    fn failed(&mut self, pnn: Pnn, why: Why) -> Event {
        let call = &mut self.calls[pnn.0 as usize];
        call.held.clear();
        if core::mem::replace(&mut call.told, true) { Event::Nothing } else { Event::Unreachable(pnn, why) }
    }

    /// Every accepted link belongs to a node, and to one only.
    pub(super) fn check(&self) {
        let in_order = self.accepted.is_sorted_by(|(one, _), (next, _)| one < next);
        assert!(in_order, "accepted links are sorted, and each is there once");
        // Counting takes the place of a search for each.
        let remembered = self.accepted.iter().filter(|&&(link, pnn)| self.is_incoming(pnn, link)).count();
        let incoming = self.peers.iter().filter(|peer| peer.incoming.is_some()).count();
        assert_eq!(remembered, incoming, "every node's link to us is remembered as its own");
    }
}

impl Default for Links {
    fn default() -> Self {
        Self { peers: Vec::new(), calls: Vec::new(), accepted: Vec::new(), guesses: no_guesses(), dialled: 0 }
    }
}

/// Every guess is checked, so any will do to begin with; none needs to be written down.
const fn no_guesses() -> [Pnn; GUESSES] {
    [Pnn(0); GUESSES]
}

/// The place of an accepted link, an odd number, among the guesses.
#[inline]
const fn guess(link: LinkId) -> usize {
    (link.0 / 2) as usize % GUESSES
}

impl Peer {
    const fn both(&self, pnn: Pnn) -> Event {
        match (self.outgoing, self.incoming) {
            (Outgoing::Open(..), Some(_)) => Event::Both(pnn),
            _ => Event::Nothing,
        }
    }
}
