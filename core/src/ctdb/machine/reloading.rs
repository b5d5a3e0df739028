//! Files read again while we run: how each differs from what it was is taken over.
//!
//! A tool's controls hold a file against what is in force, as ctdbd does. The order from beside
//! us (SIGHUP) holds it against what it said when it was last read: what operators have changed
//! by hand since stays as they want it. ctdbd knows no such order.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::controls::Answer;
use super::super::cx::{Cx, Wake, cx};
use super::super::files::public_addresses::{PublicAddress, PublicAddresses};
use super::super::files::tunables;
use super::super::jobs::{Purpose, Reloader};
use super::super::notice::{AddRefused, BadFile, FileFault, Notice, Stop, Unanswered};
use super::super::reload::{self, Refused};
use super::super::tunables::{TUNABLES, Tunables};
use super::super::types::Pnn;
use super::super::wire::MessageData;
use super::{Ctdb, Out};
use crate::host::{FileError, Job};
use crate::time::Instant;

/// What files said when they were last read. (Of the nodes file the state keeps it.)
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct AsRead {
    pub(super) addresses: PublicAddresses,
    tunables: Tunables,
}

impl AsRead {
    /// At birth the tunables are as their file says.
    pub(super) fn born(tunables: Tunables) -> Self {
        Self { addresses: PublicAddresses::default(), tunables }
    }
}

/// How the list of public addresses is to become another one.
#[derive(Default)]
struct Changes {
    delete: Vec<IpAddr>,
    add: Vec<PublicAddress>,
    /// What no reload can change, and why.
    unfit: Vec<(IpAddr, AddRefused)>,
}

impl Ctdb {
    /// Reads the files again, and takes over how they differ from what they were.
    pub(super) fn reload(&mut self, out: Out<'_>) {
        self.read_nodes(out, Purpose::Reload(Reloader::Beside));
        let name = self.config.public_addresses_file.as_ref().into();
        self.jobs.start(out, Purpose::ReloadAddresses(Reloader::Beside), Job::ReadFile { name });
        let name = self.config.tunables_file.as_ref().into();
        self.jobs.start(out, Purpose::ReloadTunables, Job::ReadFile { name });
    }

    /// The nodes file was read again.
    pub(super) fn nodes_reloaded(
        &mut self,
        now: Instant,
        out: Out<'_>,
        reloader: Reloader,
        read: &Result<Vec<u8>, FileError>,
    ) {
        let asked_beside = reloader == Reloader::Beside;
        let taken = reload::take_over(&mut cx!(self, now, out), &mut self.state, read, asked_beside);
        let answer = match taken {
            Ok(applied) => {
                for pnn in applied.drop {
                    self.rounds.culprits.forget(pnn);
                    self.rounds.changed = true;
                    self.links.drop_peer(&mut cx!(self, now, out), pnn);
                    self.timers.cancel(Wake::Redial(pnn));
                    self.keepalive.forget(pnn);
                    for lost in self.requests.take_to(pnn) {
                        self.unanswered(out, lost, Unanswered::Died);
                    }
                }
                self.links.resize(self.state.nodes.len());
                self.keepalive.resize(self.state.nodes.len());
                for pnn in applied.dial {
                    self.links.dial(&mut cx!(self, now, out), &self.state, pnn);
                }
                self.prompt(now);
                Answer::OK
            }
            Err(Refused::Unreadable) if !self.config.fixes.keep_nodes => {
                return self.stop(now, out, Stop::NodesFile);
            }
            Err(Refused::Unreadable | Refused::Refused) => Answer::REFUSED,
        };
        if let Reloader::Control(asker) = reloader {
            self.reply_if(out, asker, &answer);
        }
    }

    /// The public addresses file was read again: what is new is added, what is gone goes.
    pub(super) fn addresses_reloaded(
        &mut self,
        out: Out<'_>,
        reloader: Reloader,
        read: &Result<Vec<u8>, FileError>,
    ) {
        let held = !self.as_read.addresses.entries().is_empty();
        let file = match read {
            Ok(text) => PublicAddresses::parse(text).map_err(FileFault::Wrong),
            // A tool's control takes no file for none wanted. A signal may come from what rotates logs.
            Err(FileError::Missing) if reloader != Reloader::Beside || !held => {
                Ok(PublicAddresses::default())
            }
            Err(error) => Err(FileFault::Unreadable(*error)),
        };
        let answer = match file {
            Ok(file) => self.adopt_addresses(out, reloader, file),
            Err(fault) => {
                self.refuse_addresses(out, fault);
                Answer::REFUSED
            }
        };
        if let Reloader::Control(asker) = reloader {
            self.reply_if(out, asker, &answer);
        }
    }

    fn adopt_addresses(&mut self, out: Out<'_>, reloader: Reloader, file: PublicAddresses) -> Answer {
        let beside = reloader == Reloader::Beside;
        let mut changes = if beside { self.differing(&file) } else { self.lacking(&file) };
        self.as_read.addresses = file;
        let mut removed = 0;
        for &address in &changes.delete {
            self.addresses.delete(address);
            removed += 1;
        }
        // That the leader gives us more than we need to have is a tool's wish, not a signal's.
        if !beside && removed + changes.add.len() as u32 > 0 {
            self.tell(out, Pnn::BROADCAST_CONNECTED, &MessageData::RebalanceNode(self.state.own()));
        }
        let mut added = 0;
        for entry in &changes.add {
            match self.addresses.add(entry, &self.kernel) {
                Ok(()) => added += 1,
                Err(why) => changes.unfit.push((entry.address, why)),
            }
        }
        if added + removed > 0 {
            out.notice(Notice::AddressesReloaded { added, removed });
            if beside {
                self.ask_for_takeover(out);
            }
        }
        let Some(&(address, why)) = changes.unfit.first() else { return Answer::OK };
        let more = changes.unfit.len() as u32 - 1;
        self.refuse_addresses(out, FileFault::Unfit { address, why, more });
        Answer::REFUSED
    }

    fn refuse_addresses(&self, out: Out<'_>, fault: FileFault) {
        let name = self.config.public_addresses_file.clone();
        out.notice(Notice::AddressesRefused(Box::new(BadFile { name, fault })));
    }

    /// How a file differs from the list in force.
    fn lacking(&self, file: &PublicAddresses) -> Changes {
        let reloaded = self.addresses.reload(file);
        Changes { delete: reloaded.delete, add: reloaded.add, unfit: Vec::new() }
    }

    /// How a file differs from what it was, as far as that is not in force already.
    fn differing(&self, file: &PublicAddresses) -> Changes {
        let was = &self.as_read.addresses;
        let wanted = self.addresses.reload(file);
        let of = |file: &PublicAddresses, address| {
            file.entries().iter().find(|entry| entry.address == address).cloned()
        };
        let delete = wanted.delete.into_iter().filter(|&address| of(was, address).is_some()).collect();
        let add = wanted.add.into_iter().filter(|entry| of(was, entry.address).is_none()).collect();
        let other = |entry: &&PublicAddress| of(was, entry.address).is_some_and(|old| old != **entry);
        let changed = file.entries().iter().filter(other);
        let unfit = changed.map(|entry| (entry.address, AddRefused::Duplicate)).collect();
        Changes { delete, add, unfit }
    }

    /// The tunables file was read again: what it says otherwise than it did is in force. No file
    /// changes nothing, and a line that means nothing leaves its tunable as it was.
    pub(super) fn tunables_reloaded(&mut self, out: Out<'_>, read: Result<Vec<u8>, FileError>) {
        let fault = match read {
            Ok(text) => {
                let (file, problems) = tunables::parse_again(&text, &self.as_read.tunables);
                let was = core::mem::replace(&mut self.as_read.tunables, file.clone());
                let both = was.values().iter().zip(file.values());
                for (tunable, (_, &value)) in TUNABLES.iter().zip(both).filter(|(_, (old, new))| old != new) {
                    self.set_tunable(out, tunable.name, value);
                }
                if problems.is_empty() {
                    return;
                }
                FileFault::Wrong(problems)
            }
            Err(FileError::Missing) => return,
            Err(error) => FileFault::Unreadable(error),
        };
        let name = self.config.tunables_file.clone();
        out.notice(Notice::TunablesRefused(Box::new(BadFile { name, fault })));
    }

    /// A tunable that there is has this value from now on.
    pub(super) fn set_tunable(&mut self, out: Out<'_>, name: &'static str, value: u32) {
        let tunables = &mut self.config.tunables;
        let Some(from) = tunables.get(name) else { return };
        let set = tunables.set(name, value);
        debug_assert!(set.is_ok(), "{name} was looked up before");
        if from != value {
            out.notice(Notice::TunableSet { name, from, to: value });
        }
    }
}
