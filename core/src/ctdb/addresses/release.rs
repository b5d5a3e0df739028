//! RELEASE_IP, and giving up all addresses: an address leaves.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::cx::{Cx, Wake};
use super::super::types::Pnn;
use super::{Addresses, Changing, Entry};

/// What RELEASE_IP means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Release {
    /// Not one of our addresses: status 0.
    NotOurs,
    /// Our kernel does not have it; whatever interface it was assigned to is forgotten. Status 0,
    /// and no message to clients.
    Redundant,
    /// An event is running for it: status -1.
    Busy,
    /// Run `releaseip INTERFACE ADDRESS BITS` (`__none__` for no interface), then
    /// [`Addresses::release_ended`].
    Run { interface: Option<String>, bits: u8 },
}

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Released {
    /// It is not here any more: tell the clients, status 0. `deleted`: nor in the list.
    Done { deleted: bool },
    /// The kernel has it still, and nothing else has changed: status -1.
    Stays,
}

impl Addresses {
    /// Somebody says that `holder`, or nobody, holds an address and we do not; `have`: our
    /// kernel has it.
    pub(in super::super) fn release(
        &mut self,
        cx: &mut Cx<'_>,
        me: Pnn,
        holder: Option<Pnn>,
        address: IpAddr,
        have: bool,
    ) -> Release {
        let Some(entry) = self.get_mut(address) else { return Release::NotOurs };
        entry.be_silent(cx);
        if !have {
            entry.give(me, holder);
            return Release::Redundant;
        }
        entry.begin_release()
    }

    /// Whether an address is on its way out.
    pub(in super::super) fn is_releasing(&self, address: IpAddr) -> bool {
        self.get(address).is_some_and(|entry| entry.changing == Some(Changing::Release))
    }

    /// The addresses to give up when all are, in that order.
    pub(in super::super) fn to_drop(&self) -> Vec<IpAddr> {
        self.list.iter().map(|entry| entry.address).collect()
    }

    /// Gives one address up, of those of [`to_drop`](Self::to_drop); they go one after another.
    /// The end is told with no holder. A `Busy` one is left as it is.
    pub(in super::super) fn drop_one(&mut self, cx: &mut Cx<'_>, address: IpAddr, have: bool) -> Release {
        let Some(entry) = self.get_mut(address) else { return Release::NotOurs };
        entry.be_silent(cx);
        if !have {
            entry.forget();
            return Release::Redundant;
        }
        entry.begin_release()
    }

    /// `releaseip` has ended, well or badly: what counts is whether the kernel has the address.
    pub(in super::super) fn release_ended(
        &mut self,
        me: Pnn,
        address: IpAddr,
        holder: Option<Pnn>,
        still_there: bool,
    ) -> Released {
        let (at, changing) = self.ended(address);
        assert_eq!(changing, Changing::Release, "{address} was being released");
        if still_there {
            return Released::Stays;
        }
        let entry = &mut self.list[at];
        entry.give(me, holder);
        let deleted = entry.delete_pending;
        if deleted {
            self.remove(at);
        }
        Released::Done { deleted }
    }
}

impl Entry {
    fn begin_release(&mut self) -> Release {
        if self.is_changing() {
            return Release::Busy;
        }
        self.changing = Some(Changing::Release);
        Release::Run { interface: self.interface().map(String::from), bits: self.bits }
    }

    /// Stops what is left of an announcement.
    fn be_silent(&mut self, cx: &mut Cx<'_>) {
        if self.announcing.take().is_some() {
            cx.timers.cancel(Wake::Announce(self.address));
        }
    }
}
