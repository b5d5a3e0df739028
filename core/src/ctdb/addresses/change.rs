//! Addresses that come and go while the node runs.

use alloc::format;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::files::public_addresses::{ADDRESSES_MAX, PublicAddress, PublicAddresses};
use super::super::kernel::Kernel;
use super::super::notice::AddRefused;
use super::super::wire::{AddrInfo, PUBLIC_IPS_MAX};
use super::Addresses;

/// What became of an address that is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Deleted {
    /// It is not in the list: status -1.
    Unknown,
    /// It is held here, or being changed: it goes once it is released. Status 0.
    Marked,
    /// It is gone. Status 0.
    AtOnce,
}

/// What to do for a new public addresses file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Reloaded {
    /// To delete, in the order of the list.
    pub(in super::super) delete: Vec<IpAddr>,
    /// To add afterwards, in the order of the file.
    pub(in super::super) add: Vec<PublicAddress>,
}

// What a node may have fits into what it answers to GET_PUBLIC_IPS.
const _: () = assert!(ADDRESSES_MAX <= PUBLIC_IPS_MAX);

impl Addresses {
    /// Adds an address, held by nobody.
    ///
    /// # Errors
    /// If it is there already, or could be on an interface that is not.
    pub(in super::super) fn add(&mut self, new: &PublicAddress, kernel: &Kernel) -> Result<(), AddRefused> {
        if let Some(entry) = self.get_mut(new.address) {
            // One that was to go once it is released stays instead.
            let goes = core::mem::take(&mut entry.delete_pending);
            return if goes { Ok(()) } else { Err(AddRefused::Duplicate) };
        }
        if !new.interfaces.iter().all(|name| kernel.has_interface(name)) {
            return Err(AddRefused::NoInterface);
        }
        if self.list.len() >= ADDRESSES_MAX {
            return Err(AddRefused::TooMany);
        }
        self.insert(new);
        Ok(())
    }

    /// ADD_PUBLIC_IP. What it says has to be good as a line of the file.
    ///
    /// # Errors
    /// As [`add`](Self::add), and if no line of the file could say so.
    pub(in super::super) fn add_asked(
        &mut self,
        asked: &AddrInfo,
        kernel: &Kernel,
    ) -> Result<(), AddRefused> {
        let AddrInfo { address, mask, interfaces } = asked;
        let interfaces = interfaces.as_ref().and_then(|names| names.as_str()).ok_or(AddRefused::Malformed)?;
        let line = format!("{}/{mask} {interfaces}", address.ip());
        let read = PublicAddresses::parse(line.as_bytes()).map_err(|_| AddRefused::Malformed)?;
        let [new] = read.entries() else { return Err(AddRefused::Malformed) };
        self.add(new, kernel)
    }

    /// DEL_PUBLIC_IP.
    pub(in super::super) fn delete(&mut self, address: IpAddr) -> Deleted {
        let Some(at) = self.place(address) else { return Deleted::Unknown };
        let entry = &mut self.list[at];
        // One that is being changed has to be there when the change ends.
        if entry.is_held() || entry.is_changing() {
            entry.delete_pending = true;
            return Deleted::Marked;
        }
        self.remove(at);
        Deleted::AtOnce
    }

    /// How the list differs from a new file: by addresses alone, as `ctdb reloadips` sees it.
    /// Other bits or interfaces of an address it knows mean nothing to it.
    pub(in super::super) fn reload(&self, file: &PublicAddresses) -> Reloaded {
        let stays = |address: IpAddr| file.entries().iter().any(|entry| entry.address == address);
        let delete = self.list.iter().map(|entry| entry.address).filter(|&address| !stays(address));
        let lacks = |address: IpAddr| self.get(address).is_none_or(|held| held.delete_pending);
        let add = file.entries().iter().filter(|entry| lacks(entry.address));
        Reloaded { delete: delete.collect(), add: add.cloned().collect() }
    }
}
