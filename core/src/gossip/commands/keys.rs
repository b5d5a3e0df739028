//! Where a request about keys belongs: here, or elsewhere, or nowhere for now.
//!
//! The questions are asked in the order Redis asks them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::config::{Preferred, Role};
use super::super::machine::Gossip;
use super::super::slots::key_slot;
use super::super::table::{Ix, Node};
use super::table::{Flags, Keys, Row, find};
use super::{Call, Client};

/// Whose a slot is, as the node that is asked sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Me,
    /// The one we replicate.
    MyMaster,
    Other,
}

/// A slot, as the node that is asked sees it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    owner: Owner,
    /// It is on its way to another.
    migrating: bool,
    /// It is on its way here.
    importing: bool,
}

/// What else the answer depends on.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The keys are a shard's channels: nobody looks whether they exist.
    channels: bool,
    write: bool,
    /// The client said READONLY, and we could answer.
    readonly: bool,
    asking: bool,
    /// It is MIGRATE, which works on what is there.
    migrate: bool,
    /// The cluster is served.
    state_ok: bool,
    /// Reads are answered even while it is not.
    reads_when_down: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Here,
    CrossSlot,
    Unbound,
    Down,
    DownForWrites,
    TryAgain,
    Ask(u16),
    Moved(u16),
}

/// Redis' `getNodeByQuery`.
fn route(
    keys: &[&[u8]],
    look: impl FnOnce(u16) -> Slot,
    present: impl Fn(u16) -> bool,
    asked: &Asked,
) -> Route {
    let Some((&first, others)) = keys.split_first() else { return Route::Here };
    let number = key_slot(first);
    let slot = look(number);
    if slot.owner == Owner::Nobody {
        return Route::Unbound;
    }
    if others.iter().any(|&key| key_slot(key) != number) {
        return Route::CrossSlot;
    }
    if !asked.state_ok && !asked.channels {
        if !asked.reads_when_down {
            return Route::Down;
        }
        if asked.write {
            return Route::DownForWrites;
        }
    }
    let migrating = slot.migrating && slot.owner == Owner::Me;
    let importing = slot.importing && !migrating;
    if (migrating || importing) && asked.migrate {
        return Route::Here;
    }
    // A slot keeps one register: all of its keys are there, or none is.
    let missing = !asked.channels && !present(number);
    if migrating && missing {
        return Route::Ask(number);
    }
    if importing && asked.asking {
        let several = others.iter().any(|&key| key != first);
        return if several && missing { Route::TryAgain } else { Route::Here };
    }
    let reads = asked.readonly || asked.channels;
    if slot.owner == Owner::MyMaster && reads && !asked.write {
        return Route::Here;
    }
    if slot.owner == Owner::Me { Route::Here } else { Route::Moved(number) }
}

impl Gossip {
    /// Why a request is not for us, as an error with its code.
    pub(super) fn redirect(&self, call: &Call<'_>, row: &Row) -> Option<String> {
        let keys = row.keys(call.words);
        let asking = row.flags.contains(Flags::ASKING);
        let channels = matches!(row.keys, Keys::Channels(..));
        let write = row.flags.contains(Flags::WRITE);
        self.redirect_keys(call, &keys, write, channels, asking, row.name == "migrate")
    }

    /// The same for all that was queued, as for one request.
    pub(super) fn redirect_queued(&self, call: &Call<'_>) -> Option<String> {
        let client = self.clients.all.get(&call.link)?;
        let queued = client.transaction.as_ref()?.requests();
        let mut keys = Vec::new();
        let (mut write, mut channels) = (false, true);
        for words in queued {
            let Ok(row) = find(words) else { continue };
            write |= row.flags.contains(Flags::WRITE);
            channels &= matches!(row.keys, Keys::Channels(..) | Keys::None);
            keys.extend(row.keys(words));
        }
        self.redirect_keys(call, &keys, write, channels, false, false)
    }

    fn redirect_keys(
        &self,
        call: &Call<'_>,
        keys: &[&[u8]],
        write: bool,
        channels: bool,
        asking: bool,
        migrate: bool,
    ) -> Option<String> {
        if keys.is_empty() {
            return None;
        }
        let client = self.clients.all.get(&call.link);
        let said = |what: fn(&Client) -> bool| client.is_some_and(what);
        let asked = Asked {
            channels,
            write,
            readonly: said(|client| client.readonly) && self.keeps_data(),
            asking: asking || said(|client| client.asking),
            migrate,
            state_ok: self.state().is_ok(),
            reads_when_down: self.config.allow_reads_when_down,
        };
        let route = route(keys, |slot| self.look(slot), |slot| self.data.has_keys(slot), &asked);
        let plainly = self.tells_plainly(call);
        let to = |code, slot, at: Option<Ix>| {
            let node = at.map(|at| self.table.get(at));
            let endpoint = node.map_or(String::new(), |node| self.endpoint(node).unwrap_or_default());
            format!("{code} {slot} {endpoint}:{}", node.map_or(0, |node| node.address.port_for(plainly)))
        };
        let error = match route {
            // MIGRATE is about keys that are here, and there are none.
            Route::Here if channels || migrate || self.keeps_data() => return None,
            // Ours: Redis' nodes all store keys.
            Route::Here => {
                let role = self.config.role.word();
                format!("CLUSTERDOWN Hash slot not served: this node is a standin {role} and stores no keys")
            }
            Route::CrossSlot => "CROSSSLOT Keys in request don't hash to the same slot".into(),
            Route::Unbound => "CLUSTERDOWN Hash slot not served".into(),
            Route::Down => "CLUSTERDOWN The cluster is down".into(),
            Route::DownForWrites => "CLUSTERDOWN The cluster is down and only accepts read commands".into(),
            Route::TryAgain => "TRYAGAIN Multiple keys request during rehashing of slot".into(),
            Route::Ask(slot) => to("ASK", slot, self.migrating.get(&slot).copied()),
            Route::Moved(slot) => to("MOVED", slot, self.table.owner(slot)),
        };
        Some(error)
    }

    /// Whether this client is told the ports without TLS: it speaks none, and the bus does.
    pub(super) fn tells_plainly(&self, call: &Call<'_>) -> bool {
        let plain = || self.clients.all.get(&call.link).is_some_and(|client| client.plain);
        self.config.is_tls_cluster() && plain()
    }

    pub(super) fn keeps_data(&self) -> bool {
        self.config.role == Role::Register
    }

    fn look(&self, slot: u16) -> Slot {
        let me = self.table.me();
        let owner = match self.table.owner(slot) {
            None => Owner::Nobody,
            Some(Ix::ME) => Owner::Me,
            Some(at) if !me.is_master() && me.master == Some(at) => Owner::MyMaster,
            Some(_) => Owner::Other,
        };
        Slot {
            owner,
            migrating: self.migrating.contains_key(&slot),
            importing: self.importing.contains_key(&slot),
        }
    }

    /// What clients are told to connect to; `None`: what they are connected to.
    pub(super) fn endpoint(&self, node: &Node) -> Option<String> {
        match self.config.preferred_endpoint {
            Preferred::Ip => Some(ip(node)),
            Preferred::Hostname => Some(node.hostname.as_deref().unwrap_or("?").into()),
            Preferred::Unknown => None,
        }
    }
}

/// A node's address, empty if it is not known.
pub(super) fn ip(node: &Node) -> String {
    node.address.ip.map_or(String::new(), |ip| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVED: Asked = Asked {
        channels: false,
        write: false,
        readonly: false,
        asking: false,
        migrate: false,
        state_ok: true,
        reads_when_down: false,
    };
    const MINE: Slot = Slot { owner: Owner::Me, migrating: false, importing: false };
    const THEIRS: Slot = Slot { owner: Owner::Other, ..MINE };
    const MASTERS: Slot = Slot { owner: Owner::MyMaster, ..MINE };
    const LEAVING: Slot = Slot { migrating: true, ..MINE };
    const COMING: Slot = Slot { importing: true, ..THEIRS };
    const NOBODYS: Slot = Slot { owner: Owner::Nobody, ..MINE };
    const A: u16 = 15495;

    #[test]
    fn each_answer_has_its_row() {
        let one: &[&[u8]] = &[b"a"];
        let same: &[&[u8]] = &[b"a", b"{a}b"];
        let twice: &[&[u8]] = &[b"a", b"a"];
        let cross: &[&[u8]] = &[b"a", b"b"];
        type Answered<'a> = (&'a str, &'a [&'a [u8]], Slot, bool, Asked, Route);
        let rows: &[Answered<'_>] = &[
            ("no key", &[], NOBODYS, false, Asked { state_ok: false, ..SERVED }, Route::Here),
            ("mine", one, MINE, false, SERVED, Route::Here),
            ("theirs", one, THEIRS, false, SERVED, Route::Moved(A)),
            ("a tag", same, MINE, false, SERVED, Route::Here),
            ("two slots", cross, MINE, false, SERVED, Route::CrossSlot),
            ("two slots, even of another", cross, THEIRS, false, SERVED, Route::CrossSlot),
            ("nobody's, met first", cross, NOBODYS, false, SERVED, Route::Unbound),
            (
                "nobody's, though down",
                one,
                NOBODYS,
                false,
                Asked { state_ok: false, ..SERVED },
                Route::Unbound,
            ),
            (
                "two slots, though down",
                cross,
                MINE,
                true,
                Asked { state_ok: false, ..SERVED },
                Route::CrossSlot,
            ),
            ("down", one, MINE, true, Asked { state_ok: false, ..SERVED }, Route::Down),
            (
                "reads when down",
                one,
                MINE,
                true,
                Asked { state_ok: false, reads_when_down: true, ..SERVED },
                Route::Here,
            ),
            (
                "no writes when down",
                one,
                MINE,
                true,
                Asked { state_ok: false, reads_when_down: true, write: true, ..SERVED },
                Route::DownForWrites,
            ),
            (
                "channels when down",
                one,
                MINE,
                false,
                Asked { state_ok: false, channels: true, ..SERVED },
                Route::Here,
            ),
            ("leaving, still here", one, LEAVING, true, SERVED, Route::Here),
            ("leaving, gone", one, LEAVING, false, SERVED, Route::Ask(A)),
            ("leaving, a channel", one, LEAVING, false, Asked { channels: true, ..SERVED }, Route::Here),
            ("leaving, MIGRATE", one, LEAVING, false, Asked { migrate: true, ..SERVED }, Route::Here),
            ("coming", one, COMING, true, SERVED, Route::Moved(A)),
            ("coming, asked for", one, COMING, false, Asked { asking: true, ..SERVED }, Route::Here),
            (
                "coming, several, none here",
                same,
                COMING,
                false,
                Asked { asking: true, ..SERVED },
                Route::TryAgain,
            ),
            ("coming, one named twice", twice, COMING, false, Asked { asking: true, ..SERVED }, Route::Here),
            ("coming, several, here", same, COMING, true, Asked { asking: true, ..SERVED }, Route::Here),
            (
                "ASKING for what is theirs",
                one,
                THEIRS,
                true,
                Asked { asking: true, ..SERVED },
                Route::Moved(A),
            ),
            ("my master's", one, MASTERS, true, SERVED, Route::Moved(A)),
            ("my master's, READONLY", one, MASTERS, true, Asked { readonly: true, ..SERVED }, Route::Here),
            (
                "my master's, a write",
                one,
                MASTERS,
                true,
                Asked { readonly: true, write: true, ..SERVED },
                Route::Moved(A),
            ),
            ("my master's, a channel", one, MASTERS, true, Asked { channels: true, ..SERVED }, Route::Here),
            ("another's, READONLY", one, THEIRS, true, Asked { readonly: true, ..SERVED }, Route::Moved(A)),
        ];
        for &(name, keys, slot, present, asked, expected) in rows {
            assert_eq!(route(keys, |_| slot, |_| present, &asked), expected, "{name}");
        }
    }
}
