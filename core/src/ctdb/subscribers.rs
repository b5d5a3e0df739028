//! Which local client wants which messages, and what is to be said once it is gone.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::types::SrvId;
use super::wire::Notify;
use crate::machine::LinkId;

/// Server ids a client may register, and may leave words for. (Our limits, as is the next.)
const SRVIDS_MAX: usize = 1024;
/// Bytes a client may leave for when it is gone.
const WORDS_MAX: usize = 64 * 1024;

/// What a second deregistration is answered (ENOENT).
const NOT_REGISTERED: i32 = 2;
const REFUSED: i32 = -1;

/// The wishes of all clients.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Subscribers {
    wanted: BTreeSet<(SrvId, LinkId)>,
    clients: BTreeMap<LinkId, Client>,
}

#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Client {
    srvids: BTreeSet<SrvId>,
    /// What to say to everybody when it is gone.
    words: BTreeMap<SrvId, Vec<u8>>,
}

impl Subscribers {
    /// REGISTER_SRVID: the status. Registering twice is registering once.
    pub(super) fn register(&mut self, link: LinkId, srvid: SrvId) -> i32 {
        let client = self.clients.entry(link).or_default();
        if client.srvids.len() >= SRVIDS_MAX && !client.srvids.contains(&srvid) {
            return REFUSED;
        }
        client.srvids.insert(srvid);
        self.wanted.insert((srvid, link));
        0
    }

    /// DEREGISTER_SRVID: the status.
    pub(super) fn deregister(&mut self, link: LinkId, srvid: SrvId) -> i32 {
        let Some(client) = self.clients.get_mut(&link) else { return NOT_REGISTERED };
        if !client.srvids.remove(&srvid) {
            return NOT_REGISTERED;
        }
        self.wanted.remove(&(srvid, link));
        0
    }

    /// Whether this client gets the messages to this server id by name (CHECK_PID_SRVID).
    pub(super) fn has(&self, link: LinkId, srvid: SrvId) -> bool {
        self.wanted.contains(&(srvid, link))
    }

    /// Who gets a message, each client once: those registered for its server id, then those
    /// registered for everything.
    pub(super) fn wants(&self, srvid: SrvId) -> impl Iterator<Item = LinkId> + '_ {
        let all = self.registered(SrvId::ALL).filter(move |&link| !self.has(link, srvid));
        self.registered(srvid).chain(all)
    }

    fn registered(&self, srvid: SrvId) -> impl Iterator<Item = LinkId> + '_ {
        let links = (srvid, LinkId(0))..=(srvid, LinkId(u64::MAX));
        self.wanted.range(links).map(|&(_, link)| link)
    }

    /// REGISTER_NOTIFY: the status.
    pub(super) fn register_notify(&mut self, link: LinkId, notify: Notify) -> i32 {
        let words = &mut self.clients.entry(link).or_default().words;
        let bytes = words.values().map(Vec::len).sum::<usize>().saturating_add(notify.data.len());
        if words.contains_key(&notify.srvid) || words.len() >= SRVIDS_MAX || bytes > WORDS_MAX {
            return REFUSED;
        }
        words.insert(notify.srvid, notify.data);
        0
    }

    /// DEREGISTER_NOTIFY: the status.
    pub(super) fn deregister_notify(&mut self, link: LinkId, srvid: SrvId) -> i32 {
        let words = self.clients.get_mut(&link).and_then(|client| client.words.remove(&srvid));
        if words.is_some() { 0 } else { REFUSED }
    }

    /// How many server ids are registered, and how many words left.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.wanted.len(), self.clients.values().map(|client| client.words.len()).sum())
    }

    /// A client is gone. What it left is to be sent to every connected node.
    #[must_use]
    pub(super) fn gone(&mut self, link: LinkId) -> Vec<Notify> {
        let Some(client) = self.clients.remove(&link) else { return Vec::new() };
        for srvid in client.srvids {
            self.wanted.remove(&(srvid, link));
        }
        client.words.into_iter().map(|(srvid, data)| Notify { srvid, data }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: LinkId = LinkId(1);
    const OTHER: LinkId = LinkId(3);
    const TOOL: SrvId = SrvId(0xce01_abcd_0000_0001);

    fn notify(srvid: u64, data: &[u8]) -> Notify {
        Notify { srvid: SrvId(srvid), data: data.into() }
    }

    #[test]
    fn a_message_goes_to_whoever_registered_for_it() {
        let mut subscribers = Subscribers::default();
        assert_eq!(subscribers.register(OTHER, TOOL), 0);
        assert_eq!(subscribers.register(ONE, TOOL), 0);
        assert_eq!(subscribers.register(ONE, SrvId::LEADER), 0);
        assert!(subscribers.wants(TOOL).eq([ONE, OTHER]));
        assert!(subscribers.wants(SrvId::LEADER).eq([ONE]));
        assert_eq!(subscribers.wants(SrvId::ELECTION).count(), 0);
        assert!(subscribers.has(ONE, TOOL) && !subscribers.has(OTHER, SrvId::LEADER));
    }

    #[test]
    fn who_wants_everything_gets_each_message_once() {
        let mut subscribers = Subscribers::default();
        for (link, srvid) in [(OTHER, SrvId::ALL), (ONE, SrvId::ALL), (ONE, TOOL)] {
            assert_eq!(subscribers.register(link, srvid), 0);
        }
        assert!(subscribers.wants(TOOL).eq([ONE, OTHER]));
        assert!(subscribers.wants(SrvId::LEADER).eq([ONE, OTHER]));
        assert!(subscribers.wants(SrvId::ALL).eq([ONE, OTHER]));
    }

    #[test]
    fn only_what_is_registered_can_be_given_up() {
        let mut subscribers = Subscribers::default();
        assert_eq!(subscribers.deregister(ONE, TOOL), 2);
        assert_eq!(subscribers.register(ONE, TOOL), 0);
        assert_eq!(subscribers.register(ONE, TOOL), 0);
        assert_eq!(subscribers.deregister(OTHER, TOOL), 2);
        assert_eq!(subscribers.deregister(ONE, TOOL), 0);
        assert_eq!(subscribers.deregister(ONE, TOOL), 2);
        assert_eq!(subscribers.wants(TOOL).count(), 0);
    }

    #[test]
    fn a_client_that_goes_leaves_its_words_and_nothing_else() {
        let mut subscribers = Subscribers::default();
        for link in [ONE, OTHER] {
            assert_eq!(subscribers.register(link, TOOL), 0);
        }
        assert_eq!(subscribers.register_notify(ONE, notify(8, b"gone")), 0);
        assert_eq!(subscribers.register_notify(ONE, notify(5, b"")), 0);
        assert_eq!(subscribers.register_notify(OTHER, notify(8, b"too")), 0);
        assert_eq!(subscribers.gone(ONE), [notify(5, b""), notify(8, b"gone")]);
        assert!(subscribers.wants(TOOL).eq([OTHER]));
        assert_eq!(subscribers.gone(ONE), []);
        assert_eq!(subscribers.gone(OTHER), [notify(8, b"too")]);
        assert!(subscribers.wanted.is_empty() && subscribers.clients.is_empty());
    }

    #[test]
    fn words_are_left_once_and_taken_back_once() {
        let mut subscribers = Subscribers::default();
        assert_eq!(subscribers.deregister_notify(ONE, SrvId(8)), -1);
        assert_eq!(subscribers.register_notify(ONE, notify(8, b"first")), 0);
        assert_eq!(subscribers.register_notify(ONE, notify(8, b"second")), -1);
        assert_eq!(subscribers.deregister_notify(OTHER, SrvId(8)), -1);
        assert_eq!(subscribers.deregister_notify(ONE, SrvId(8)), 0);
        assert_eq!(subscribers.deregister_notify(ONE, SrvId(8)), -1);
        assert_eq!(subscribers.gone(ONE), []);
    }

    #[test]
    fn a_client_has_only_so_many_wishes() {
        let mut subscribers = Subscribers::default();
        for number in 0..SRVIDS_MAX as u64 {
            assert_eq!(subscribers.register(ONE, SrvId(number)), 0);
            assert_eq!(subscribers.register_notify(ONE, notify(number, b"")), 0);
        }
        assert_eq!(subscribers.register(ONE, TOOL), -1);
        assert_eq!(subscribers.register(ONE, SrvId(0)), 0);
        assert_eq!(subscribers.register_notify(ONE, notify(TOOL.0, b"")), -1);
        assert_eq!(subscribers.register(OTHER, TOOL), 0);
        assert_eq!(subscribers.register_notify(OTHER, notify(0, &[0; WORDS_MAX])), 0);
        assert_eq!(subscribers.register_notify(OTHER, notify(1, b"x")), -1);
    }
}
