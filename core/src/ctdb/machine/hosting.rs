//! Public addresses on this node: TAKEOVER_IP and RELEASE_IP become events, their ends become
//! answers; tickles, announcements that were asked for, operators' changes of the list. (The local
//! check and what the kernel reports are in `watching`.)

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::super::addresses::{Deleted, Entry, Refused, Release, Released, Takeover, Took, Updated};
use super::super::controls::Answer;
use super::super::cx::{Cx, Wake, cx};
use super::super::events::{Event, Wanted};
use super::super::jobs::{Purpose, Reloader};
use super::super::notice::{BanCause, Notice};
use super::super::plant::Plant;
use super::super::requests::{Asker, Ticket};
use super::super::types::{ControlFlags, NodeFlags, Pnn, RecoveryMode, RunState};
use super::super::wire::{MessageData, PublicIp, ReplyData, RequestData, Text};
use super::life::After;
use super::{Ctdb, Out};
use crate::host::{Job, Placed};
use crate::time::{Duration, Instant};

/// How often SEND_GRATUITOUS_ARP announces, and how far apart.
const SHOUTS: u8 = 3;
const SHOUTS_APART: Duration = Duration::from_secs(1);
/// Such announcements under way at a time. (Our limit.)
const SHOUTS_MAX: usize = 1024;

/// Who may wait for changes under way. (Our limit.)
const WAITING_MAX: usize = 4096;

/// An announcement that an operator asked for; whether the address is here, or ours, is not
/// asked, as in ctdbd.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Shout {
    at: Instant,
    left: u8,
    interface: String,
    address: IpAddr,
}

/// What came of a control that may have been about addresses.
pub(super) enum Reaction {
    /// It was not.
    NotMine,
    /// Answer this.
    Answer(Answer),
    /// The answer comes later.
    Later,
}

impl Ctdb {
    /// Whether an address counts as being here: ctdbd's test whether it can be bound.
    fn have(&self, address: IpAddr) -> bool {
        !self.config.failover_disabled && self.kernel.holds(address)
    }

    /// Whether this node may be given addresses at all.
    pub(super) fn offers(&self) -> bool {
        let mut flags = self.own_flags();
        if self.config.plants.has(Plant::UnhealthyOffers) {
            flags.remove(NodeFlags::UNHEALTHY);
        }
        let ready = self.state.recovery_mode == RecoveryMode::Normal || !self.config.fixes.offer_when_ready;
        ready && self.state.runstate == RunState::Running && !flags.is_inactive() && !flags.is_disabled()
    }

    /// A control about addresses, interfaces or tickles.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever it is, it is not about these")]
    pub(super) fn hosting_asked(
        &mut self,
        now: Instant,
        out: Out<'_>,
        asker: Option<Asker>,
        flags: ControlFlags,
        data: &RequestData,
    ) -> Reaction {
        let yes_or_no = |well: bool| Answer::status(if well { 0 } else { -1 });
        Reaction::Answer(match data {
            RequestData::GetPublicIps => {
                Answer::data(ReplyData::PublicIps(if flags.contains(ControlFlags::AVAILABLE_ONLY) {
                    self.addresses.available(self.offers())
                } else {
                    self.addresses.known()
                }))
            }
            RequestData::GetPublicIpInfo(address) => match self.addresses.info(address.ip()) {
                Some(info) => Answer::data(ReplyData::PublicIpInfo(info)),
                None => Answer::REFUSED,
            },
            RequestData::GetIfaces => Answer::data(ReplyData::Interfaces(self.addresses.interfaces())),
            RequestData::SetIfaceLinkState(asked) => {
                yes_or_no(self.addresses.set_link_asked(asked).is_some())
            }
            RequestData::TakeoverIp(ip) => return self.takeover_asked(now, out, asker, ip),
            RequestData::ReleaseIp(ip) => return self.release_asked(now, out, asker, ip),
            RequestData::IpReallocated => {
                self.announce_kept(now, out);
                self.run_event(now, out, Event::IpReallocated, After::Reallocated(asker));
                return Reaction::Later;
            }
            RequestData::AddPublicIp(asked) => {
                yes_or_no(self.addresses.add_asked(asked, &self.kernel).is_ok())
            }
            RequestData::DelPublicIp(asked) => {
                yes_or_no(self.addresses.delete(asked.address.ip()) != Deleted::Unknown)
            }
            RequestData::ReloadPublicIps => {
                let name = self.config.public_addresses_file.as_ref().into();
                let purpose = Purpose::ReloadAddresses(Reloader::Control(asker));
                self.jobs.start(out, purpose, Job::ReadFile { name });
                return Reaction::Later;
            }
            RequestData::SendGratuitousArp(asked) => {
                let names = asked.interfaces.as_ref().and_then(Text::as_str).unwrap_or_default();
                let interface = names.split(',').next().unwrap_or_default().to_string();
                self.shout(now, out, Shout { at: now, left: SHOUTS, interface, address: asked.address.ip() });
                Answer::OK
            }
            RequestData::TcpAdd(connection) => {
                self.addresses.add_tickle(*connection, false);
                Answer::OK
            }
            RequestData::TcpClient(connection) => {
                let held = self.addresses.get(connection.server.ip()).is_some_and(Entry::is_held);
                if held {
                    self.addresses.add_tickle(*connection, false);
                    self.pass_on(now, out, &RequestData::TcpAdd(*connection));
                }
                yes_or_no(held)
            }
            RequestData::TcpAddDelayedUpdate(connection) => {
                self.addresses.add_tickle(*connection, true);
                Answer::OK
            }
            RequestData::TcpRemove(connection) => {
                self.addresses.remove_tickle(connection);
                Answer::OK
            }
            RequestData::GetTcpTickleList(address) => match self.addresses.tickles(*address) {
                Some(list) => Answer::data(ReplyData::Tickles(list)),
                None => Answer::status(1),
            },
            RequestData::SetTcpTickleList(list) => {
                self.addresses.set_tickles(list);
                Answer::OK
            }
            _ => return Reaction::NotMine,
        })
    }

    /// Announces, and remembers when to do so again.
    fn shout(&mut self, now: Instant, out: Out<'_>, shout: Shout) {
        let Shout { left, interface, address, .. } = shout;
        let purpose = Purpose::Announce(address, interface.clone());
        self.jobs.start(out, purpose, Job::Announce { interface: interface.clone(), address });
        if left > 1 && self.shouts.len() < SHOUTS_MAX {
            self.shouts.push_back(Shout { at: now + SHOUTS_APART, left: left - 1, interface, address });
        }
        if let Some(next) = self.shouts.front() {
            self.timers.set(Wake::Shout, next.at);
        }
    }

    pub(super) fn shouts_due(&mut self, now: Instant, out: Out<'_>) {
        // All wait for as long, so the first to be due is the first.
        while let Some(shout) = self.shouts.pop_front_if(|shout| shout.at <= now) {
            self.shout(now, out, shout);
        }
    }

    /// A control without an answer, to every other connected node.
    fn pass_on(&mut self, now: Instant, out: Out<'_>, data: &RequestData) {
        let others: Vec<_> = self.connected().filter(|&pnn| !self.state.is_me(pnn)).collect();
        let patience = self.config.tunables.control_timeout();
        for pnn in others {
            self.ask_flagged(now, out, pnn, data, ControlFlags::NOREPLY, Ticket::UNREAD, patience);
        }
    }

    /// Every `TickleUpdateInterval`: what changed of our addresses' connections.
    pub(super) fn tickles_due(&mut self, now: Instant, out: Out<'_>) {
        let every = self.config.tunables.tickle_update_interval().max(Duration::from_secs(1));
        self.timers.set(Wake::Tickles, now + every);
        for list in self.addresses.take_changed() {
            self.pass_on(now, out, &RequestData::SetTcpTickleList(list));
        }
    }

    /// A node has started up: it shall know the connections of all our addresses.
    pub(super) fn tell_all_tickles(&mut self, now: Instant, out: Out<'_>) {
        for list in self.addresses.held_tickles() {
            self.pass_on(now, out, &RequestData::SetTcpTickleList(list));
        }
    }

    pub(super) fn takeover_asked(
        &mut self,
        now: Instant,
        out: Out<'_>,
        asker: Option<Asker>,
        ip: &PublicIp,
    ) -> Reaction {
        let (me, address) = (self.state.own(), ip.address.ip());
        let have = self.have(address);
        let takeover = self.addresses.takeover(me, ip.pnn, address, have);
        if self.is_forbidden(&takeover) && !self.config.plants.has(Plant::NormalModeUnchecked) {
            // What it changed so far stays changed, as in ctdbd: the local check will see to it.
            match takeover {
                Takeover::Take { .. } => self.take_ended(now, out, asker, address, -1),
                Takeover::Update { .. } => self.update_ended(now, out, asker, address, -1),
                Takeover::Refused(_) | Takeover::NotOurs | Takeover::Conflict { .. } | Takeover::Held => {}
            }
            return Reaction::Later;
        }
        match takeover {
            // It is coming anyway: whoever wants it here is told when it is.
            Takeover::Refused(Refused::Changing)
                if self.config.fixes.wait_for_changes
                    && self.takes.len() < WAITING_MAX
                    && self.addresses.is_taking(address) =>
            {
                self.takes.extend(asker.map(|asker| (address, asker)));
                Reaction::Later
            }
            Takeover::Refused(_) => {
                out.notice(Notice::TakeFailed { address, status: -1 });
                Reaction::Answer(Answer::REFUSED)
            }
            Takeover::NotOurs => Reaction::Answer(Answer::OK),
            Takeover::Conflict { holder } => {
                out.notice(Notice::AddressConflict { address, holder });
                if let Some(asker) = asker {
                    self.conflicts.push(asker);
                }
                self.ban_self(now, out, BanCause::Conflict);
                self.answer_conflicts(out);
                Reaction::Later
            }
            Takeover::Held => {
                out.notice(Notice::TakeRedundant { address });
                Reaction::Answer(Answer::OK)
            }
            Takeover::Take { interface, bits } => {
                out.notice(Notice::Taking { address, interface: interface.as_str().into() });
                let to = Placed { interface, address, prefix: bits };
                self.want(now, out, Wanted::take(to, After::Take(asker, address)));
                Reaction::Later
            }
            Takeover::Update { from, to, bits } => {
                let (old, new) = (from.as_deref().map(Into::into), to.as_str().into());
                out.notice(Notice::Updating { address, from: old, to: new });
                let to = Placed { interface: to, address, prefix: bits };
                let found = self.kernel.interface_of(address).map(String::from);
                self.want(now, out, Wanted::update(to, from, found, After::Update(asker, address)));
                Reaction::Later
            }
        }
    }

    /// Whether an event is needed that may not be run now.
    fn is_forbidden(&self, takeover: &Takeover) -> bool {
        match takeover {
            Takeover::Take { .. } => !self.may_run(Event::TakeIp),
            Takeover::Update { .. } => !self.may_run(Event::UpdateIp),
            Takeover::Refused(_) | Takeover::NotOurs | Takeover::Conflict { .. } | Takeover::Held => false,
        }
    }

    /// Requests an event and deals with one that it cancels. Who is about to end begins no more.
    pub(super) fn want(&mut self, now: Instant, out: Out<'_>, wanted: Wanted<After>) {
        let ended = if self.stopping.is_some() {
            Some(wanted.cancelled())
        } else {
            self.events.request(&mut cx!(self, now, out), wanted)
        };
        if let Some((event, after, ended)) = ended {
            self.event_ended(now, out, event, after, ended);
        }
    }

    pub(super) fn take_ended(
        &mut self,
        now: Instant,
        out: Out<'_>,
        asker: Option<Asker>,
        address: IpAddr,
        status: i32,
    ) {
        let waiting: Vec<_> = self.takes.extract_if(.., |(of, _)| *of == address).collect();
        for (_, asker) in waiting {
            self.reply(out, asker, &Answer::status(status));
        }
        match self.addresses.take_ended(&mut cx!(self, now, out), address, status == 0) {
            Took::Taken { interface } => {
                out.notice(Notice::Taken { address, interface: interface.as_str().into() });
                let text = Text::from(format!("{address}").as_str());
                self.message_heard(now, out, &MessageData::TakeIp(text));
            }
            Took::Forgotten => {}
            Took::Failed => out.notice(Notice::TakeFailed { address, status }),
        }
        self.reply_if(out, asker, &Answer::status(status));
        self.release_what_came(now, out, address);
    }

    /// An address has come, or not, and meanwhile it was wanted gone.
    fn release_what_came(&mut self, now: Instant, out: Out<'_>, address: IpAddr) {
        let waiting: Vec<_> = self.releases.extract_if(.., |(of, ..)| *of == address).collect();
        for (_, asker, holder) in waiting {
            if let Reaction::Answer(answer) = self.let_go(now, out, asker, address, holder) {
                self.reply_if(out, asker, &answer);
            }
        }
        let unfit =
            self.config.fixes.wait_for_changes && (self.own_flags().is_inactive() || self.standing.gave_up);
        if unfit && self.kernel.holds(address) && !self.is_changing(address) {
            self.begin_drop(now, out, address);
        }
    }

    pub(super) fn update_ended(
        &mut self,
        now: Instant,
        out: Out<'_>,
        asker: Option<Asker>,
        address: IpAddr,
        status: i32,
    ) {
        match self.addresses.update_ended(address, status == 0) {
            Updated::Moved { to } => {
                out.notice(Notice::Updated { address, to: to.as_str().into() });
                // The stock script does so itself.
                if !self.events.has_address_script() {
                    self.addresses.announce_moved(&mut cx!(self, now, out), address);
                }
            }
            Updated::Forgotten => {}
            Updated::Restored { .. } | Updated::Unassigned => {
                out.notice(Notice::TakeFailed { address, status });
            }
        }
        self.reply_if(out, asker, &Answer::status(status));
        self.release_what_came(now, out, address);
    }

    fn release_asked(&mut self, now: Instant, out: Out<'_>, asker: Option<Asker>, ip: &PublicIp) -> Reaction {
        self.let_go(now, out, asker, ip.address.ip(), ip.pnn.known())
    }

    fn let_go(
        &mut self,
        now: Instant,
        out: Out<'_>,
        asker: Option<Asker>,
        address: IpAddr,
        holder: Option<Pnn>,
    ) -> Reaction {
        // It may be here any moment: it goes as soon as it has come.
        if self.may_wait() && self.addresses.is_taking(address) {
            self.releases.push((address, asker, holder));
            return Reaction::Later;
        }
        // Where nobody looks, what counts is whether it was given an interface.
        let assigned = || self.addresses.get(address).is_some_and(|entry| entry.interface().is_some());
        let (me, have) =
            (self.state.own(), if self.config.test_mode { assigned() } else { self.have(address) });
        let release = self.addresses.release(&mut cx!(self, now, out), me, holder, address, have);
        self.begin_release(now, out, address, release, After::Release(asker, address, holder), holder)
    }

    /// Whether a release of what is being changed waits for that. ctdbd hears nothing while it gives
    /// up everything: there it waits only then, and what was coming has come and gone afterwards.
    fn may_wait(&self) -> bool {
        let waits = self.config.fixes.wait_for_changes || self.standing.is_dropping();
        waits && self.releases.len() < WAITING_MAX
    }

    fn begin_release(
        &mut self,
        now: Instant,
        out: Out<'_>,
        address: IpAddr,
        release: Release,
        after: After,
        holder: Option<Pnn>,
    ) -> Reaction {
        match release {
            Release::NotOurs => Reaction::Answer(Answer::OK),
            Release::Redundant => {
                out.notice(Notice::ReleaseRedundant { address, holder });
                Reaction::Answer(Answer::OK)
            }
            Release::Busy if self.config.plants.has(Plant::BusyReleaseForgiven) => {
                Reaction::Answer(Answer::OK)
            }
            // It is going anyway: whoever wants it gone is told when it is.
            Release::Busy if self.may_wait() && self.addresses.is_releasing(address) => {
                if let After::Release(asker, ..) = after {
                    self.releases.push((address, asker, holder));
                }
                Reaction::Later
            }
            Release::Busy => {
                out.notice(Notice::ReleaseFailed { address });
                Reaction::Answer(Answer::REFUSED)
            }
            Release::Run { interface, bits } => {
                out.notice(Notice::Releasing { address });
                let found = self.kernel.interface_of(address).map(String::from);
                self.want(now, out, Wanted::release(address, bits, interface, found, after));
                Reaction::Later
            }
        }
    }

    pub(super) fn release_ended(
        &mut self,
        now: Instant,
        out: Out<'_>,
        asker: Option<Asker>,
        address: IpAddr,
        holder: Option<Pnn>,
    ) {
        let answer = if self.released(now, out, address, holder) { Answer::OK } else { Answer::REFUSED };
        self.reply_if(out, asker, &answer);
    }

    /// A release has ended: is the address gone?
    fn released(&mut self, now: Instant, out: Out<'_>, address: IpAddr, holder: Option<Pnn>) -> bool {
        let still_there = self.kernel.holds(address);
        let me = self.state.own();
        let waiting: Vec<_> = self.releases.extract_if(.., |(of, ..)| *of == address).collect();
        let holder = waiting.last().map_or(holder, |(_, _, holder)| *holder);
        for (_, asker, _) in waiting {
            self.reply_if(out, asker, &if still_there { Answer::REFUSED } else { Answer::OK });
        }
        match self.addresses.release_ended(me, address, holder, still_there) {
            Released::Done { .. } => {
                out.notice(Notice::Released { address, holder });
                let text = Text::from(format!("{address}").as_str());
                self.message_heard(now, out, &MessageData::ReleaseIp(text));
                true
            }
            Released::Stays => {
                out.notice(Notice::ReleaseFailed { address });
                false
            }
        }
    }

    /// Begins to give an address up with all the others; false if there is nothing to wait for.
    pub(super) fn begin_drop(&mut self, now: Instant, out: Out<'_>, address: IpAddr) -> bool {
        let have = self.kernel.holds(address);
        let release = self.addresses.drop_one(&mut cx!(self, now, out), address, have);
        if !matches!(release, Release::Run { .. }) {
            return false;
        }
        matches!(self.begin_release(now, out, address, release, After::Drop(address), None), Reaction::Later)
    }

    pub(super) fn drop_ended(&mut self, now: Instant, out: Out<'_>, address: IpAddr) {
        self.released(now, out, address, None);
    }

    /// Whoever sent the TAKEOVER_IP that banned us is answered once the addresses are gone.
    pub(super) fn answer_conflicts(&mut self, out: Out<'_>) {
        if !self.standing.is_dropping() {
            for asker in core::mem::take(&mut self.conflicts) {
                self.reply(out, asker, &Answer::REFUSED);
            }
        }
    }
}
