//! TAKEOVER_IP: an address comes here, or to a better interface.

use alloc::string::String;
use core::net::IpAddr;

use super::super::cx::Cx;
use super::super::types::Pnn;
use super::{Addresses, Changing, Entry};

/// What TAKEOVER_IP means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Takeover {
    /// Status -1.
    Refused(Refused),
    /// Not one of our addresses: status 0.
    NotOurs,
    /// Another node should hold it and our kernel has it: ban ourselves, then status -1.
    Conflict { holder: Pnn },
    /// Held already, and well: status 0.
    Held,
    /// Run `takeip INTERFACE ADDRESS BITS`, then [`Addresses::take_ended`].
    Take { interface: String, bits: u8 },
    /// Run `updateip FROM TO ADDRESS BITS` (`__none__` for no `from`), then
    /// [`Addresses::update_ended`].
    Update { from: Option<String>, to: String, bits: u8 },
}

/// Why nothing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Refused {
    /// It was meant for another node.
    OtherNode,
    /// None of its interfaces has a link.
    NoInterface,
    /// An event is running for it.
    Changing,
}

/// How a take ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Took {
    /// The address is here, and being announced: status 0.
    Taken { interface: String },
    /// It may be here, but was released meanwhile: status 0.
    Forgotten,
    /// It is not here; the assignment stays, and the local check asks for another run.
    Failed,
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Updated {
    /// The address is on its new interface: status 0.
    Moved { to: String },
    /// It was released meanwhile.
    Forgotten,
    /// It failed: the address counts as where it was before.
    Restored { interface: String },
    /// It failed, and nobody knows where the address is: nobody holds it. (ctdbd 4.17 dies.)
    Unassigned,
}

impl Addresses {
    /// Somebody says that node `to` is to hold an address; `have`: our kernel has it.
    ///
    /// With `Take` and `Update` the address counts as ours, on the new interface, and as changing
    /// until the event's end is told.
    pub(in super::super) fn takeover(&mut self, me: Pnn, to: Pnn, address: IpAddr, have: bool) -> Takeover {
        if to != me {
            return Takeover::Refused(Refused::OtherNode);
        }
        let Some(at) = self.place(address) else { return Takeover::NotOurs };
        let entry = &self.list[at];
        let Some(best) = self.best(entry) else { return Takeover::Refused(Refused::NoInterface) };
        if let Some(holder) = entry.holder.filter(|&holder| have && holder != me) {
            return Takeover::Conflict { holder };
        }
        let unknown = have && entry.holder.is_none();
        let update = unknown || self.is_badly_placed(entry, best);
        if have && !update {
            return Takeover::Held;
        }
        // ctdbd forgets a bad interface before it finds out that it has to refuse.
        if entry.is_changing() {
            return Takeover::Refused(Refused::Changing);
        }
        let entry = &mut self.list[at];
        if have { entry.update(me, best) } else { entry.take(me, if update { None } else { entry.on }, best) }
    }

    /// Whether an address should leave its interface for the best one: the link is down, or at
    /// least two addresses more are on it.
    fn is_badly_placed(&self, entry: &Entry, best: usize) -> bool {
        let Some(on) = entry.on.filter(|&on| on != best) else { return false };
        let (on, best) = (entry.name(on), entry.name(best));
        !self.is_up(on) || self.references(on) > self.references(best) + 1
    }

    /// Whether an address is on its way in.
    pub(in super::super) fn is_taking(&self, address: IpAddr) -> bool {
        self.get(address).is_some_and(|entry| entry.changing == Some(Changing::Take))
    }

    /// `takeip` has ended: `ok` if it succeeded, or was let through.
    pub(in super::super) fn take_ended(&mut self, cx: &mut Cx<'_>, address: IpAddr, ok: bool) -> Took {
        let (at, changing) = self.ended(address);
        assert_eq!(changing, Changing::Take, "{address} was being taken");
        let entry = &mut self.list[at];
        if !ok {
            return Took::Failed;
        }
        let Some(interface) = entry.interface().map(String::from) else { return Took::Forgotten };
        entry.announce_taken(cx);
        Took::Taken { interface }
    }

    /// `updateip` has ended.
    pub(in super::super) fn update_ended(&mut self, address: IpAddr, ok: bool) -> Updated {
        let (at, changing) = self.ended(address);
        let Changing::Update { from } = changing else { panic!("{address} was being updated") };
        let entry = &mut self.list[at];
        let Some(to) = entry.interface().map(String::from) else { return Updated::Forgotten };
        if ok {
            return Updated::Moved { to };
        }
        match from {
            Some(place) => {
                entry.on = Some(place);
                Updated::Restored { interface: entry.name(place).into() }
            }
            None => {
                entry.forget();
                Updated::Unassigned
            }
        }
    }
}

impl Entry {
    fn take(&mut self, me: Pnn, on: Option<usize>, best: usize) -> Takeover {
        let place = on.unwrap_or(best);
        self.assign(me, place);
        self.changing = Some(Changing::Take);
        Takeover::Take { interface: self.name(place).into(), bits: self.bits }
    }

    /// Without a holder there is no interface, and else the best is another one: ctdbd's update
    /// that finds nothing to do does not come up.
    fn update(&mut self, me: Pnn, best: usize) -> Takeover {
        let from = self.on;
        self.assign(me, best);
        self.changing = Some(Changing::Update { from });
        let from = from.map(|place| self.name(place).into());
        Takeover::Update { from, to: self.name(best).into(), bits: self.bits }
    }
}
