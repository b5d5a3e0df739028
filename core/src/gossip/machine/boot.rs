//! From birth to membership: read the state file or make a name, listen, begin to tick.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::super::config::{Config, Role};
use super::super::links::{BUS, CLIENTS, TLS_CLIENTS};
use super::super::nodes_conf::NodesConf;
use super::super::notice::{Notice, StartRefusal, Was};
use super::super::table::{Address, Ix, Node, When};
use super::super::types::NodeFlags;
use super::{EXIT_CONFIG, Gossip, Out, TICK, Todo, Wake, announced};
use crate::host::{Done, FileError, Job};
use crate::machine::{Effect, Endpoint, JobId, PortId, Why};
use crate::time::Instant;

/// How far the start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Boot {
    /// Nothing has happened yet.
    Unborn,
    /// The state file is being read.
    Reading,
    /// So many ports are still to be opened.
    Listening(u8),
    /// A member.
    Done,
}

/// The first job; the others are savings, of the state and of settings.
const READ: JobId = JobId(0);

impl Role {
    /// What a state file's node is that this role cannot go on from. A replica without data may
    /// have won an election: it is a master with slots then, that votes and reports.
    fn misfits(self, state: &NodesConf) -> Option<Was> {
        let me = state.myself()?;
        match self {
            Self::Witness | Self::Observer if me.flags.contains(NodeFlags::REPLICA) => Some(Was::Replica),
            Self::Observer if !me.slots.is_empty() => Some(Was::Master { slots: me.slots.len() as u16 }),
            Self::Witness | Self::Observer | Self::Replica { .. } | Self::Register => None,
        }
    }
}

impl Gossip {
    pub(super) fn read_state(&mut self, out: Out<'_>) {
        self.boot = Boot::Reading;
        let name = self.config.state_file.as_ref().into();
        out.push(Effect::Start { job: READ, what: Job::ReadFile { name } });
    }

    pub(super) fn job_done(&mut self, now: Instant, out: Out<'_>, job: JobId, done: Done) {
        match done {
            Done::Read(read) if job == READ && self.boot == Boot::Reading => {
                self.state_read(now, out, read.as_deref());
            }
            Done::Wrote(wrote) => self.saved(now, out, job, wrote),
            Done::Kept(kept) => self.settings_kept(now, out, job, kept),
            // No other job was begun.
            Done::Read(_)
            | Done::Scripts(_)
            | Done::Script(_)
            | Done::Address(_)
            | Done::Announced
            | Done::Lock(_) => {}
        }
    }

    fn state_read(&mut self, now: Instant, out: Out<'_>, read: Result<&[u8], &FileError>) {
        match read {
            Ok(text) => match NodesConf::parse(text) {
                Ok(state) => {
                    if let Some(was) = self.config.role.misfits(&state) {
                        let role = self.config.role;
                        return self.refuse(out, StartRefusal::OtherRole { role, was });
                    }
                    self.adopt(now, out, &state);
                }
                Err(problems) => {
                    let first = problems.iter().next();
                    let line = first.map_or(0, |problem| problem.line as u32);
                    let what = first.map(alloc::string::ToString::to_string).unwrap_or_default();
                    return self.refuse(out, StartRefusal::BadState { line, what: what.into() });
                }
            },
            // A first start.
            Err(FileError::Missing) => {
                self.dress();
                self.todo |= Todo::SYNC;
            }
            Err(error) => return self.refuse(out, StartRefusal::NoState(*error)),
        }
        let ports = self.ports();
        self.boot = Boot::Listening(ports.clone().count() as u8);
        for (port, number) in ports {
            let on = Endpoint::Tcp(SocketAddr::new(self.config.listen, number));
            out.push(Effect::Listen { port, on });
        }
    }

    /// The ports there are, with their numbers.
    fn ports(&self) -> impl Iterator<Item = (PortId, u16)> + Clone + use<> {
        let tls = self.config.tls.map_or(0, |tls| tls.port);
        let all = [(BUS, self.config.bus_port), (CLIENTS, self.config.port), (TLS_CLIENTS, tls)];
        all.into_iter().filter(|&(_, number)| number != 0)
    }

    fn refuse(&mut self, out: Out<'_>, why: StartRefusal) {
        out.notice(Notice::StartRefused(why));
        self.exit(out, EXIT_CONFIG);
    }

    /// A port is open, or is not for this reason.
    pub(super) fn port(&mut self, now: Instant, out: Out<'_>, port: PortId, why: Option<Why>) {
        let Boot::Listening(left) = self.boot else { return };
        if let Some(why) = why {
            let port = self.ports().find(|&(at, _)| at == port).map_or(0, |(_, number)| number);
            return self.refuse(out, StartRefusal::CannotListen { port, why });
        }
        if left > 1 {
            self.boot = Boot::Listening(left - 1);
            return;
        }
        self.boot = Boot::Done;
        self.timers.set(Wake::Cron, now + TICK);
        let address = SocketAddr::new(self.config.listen, self.config.bus_port);
        out.notice(Notice::Listening { id: self.table.me().id, address });
        self.todo |= Todo::STATE;
    }

    /// The table as it was saved. Whoever was suspected then is suspected still; a failed node
    /// failed just now.
    fn adopt(&mut self, now: Instant, out: Out<'_>, state: &NodesConf) {
        self.current_epoch = state.current_epoch;
        self.last_vote = state.last_vote_epoch;
        self.saver.kept_vars.clone_from(&state.unknown_vars);
        let (mine, others): (Vec<_>, Vec<_>) =
            state.nodes.iter().partition(|line| line.flags.contains(NodeFlags::MYSELF));
        for line in mine.into_iter().chain(others) {
            let address = Address { ip: line.ip, port: line.port, bus_port: line.bus_port, plain_port: 0 };
            let mut node = Node::new(line.id, line.flags, address, now);
            node.hostname.clone_from(&line.hostname);
            node.aux.clone_from(&line.aux);
            node.epoch = line.own_epoch();
            node.ping_sent = (line.ping_sent != 0).then_some(now).into();
            let heard = (line.pong_received != 0).then_some(now);
            node.failed = line.flags.contains(NodeFlags::FAIL).then_some(now);
            if line.flags.contains(NodeFlags::MYSELF) {
                self.adopt_myself(node);
                self.table.answered(Ix::ME, heard);
            } else if let Some(at) = self.table.add(node) {
                self.table.answered(at, heard);
                self.look_soon(now, at);
                if line.flags.contains(NodeFlags::PFAIL) {
                    self.suspects.push(at);
                }
            } else {
                self.table_full(out);
            }
        }
        for line in &state.nodes {
            let Some(at) = self.table.find(&line.id) else { continue };
            let is_master = line.flags.contains(NodeFlags::MASTER);
            let master = line.master.filter(|_| !is_master).and_then(|id| self.table.find(&id));
            self.table.get_mut(at).master = master;
            if let Some(of) = master {
                self.table.get_mut(of).flags.insert(NodeFlags::MIGRATE_TO);
            }
            for slot in line.slots.iter() {
                self.table.bind(slot, at);
            }
            for (slot, id) in &line.migrating {
                if let Some(to) = self.table.find(id) {
                    self.migrating.insert(*slot, to);
                }
            }
            for (slot, id) in &line.importing {
                if let Some(from) = self.table.find(id) {
                    self.importing.insert(*slot, from);
                }
            }
        }
        let latest = self.table.iter().map(|(_, node)| node.epoch).max().unwrap_or_default();
        // Whoever edits a file by hand may forget one of them.
        self.current_epoch = self.current_epoch.max(latest).max(self.last_vote);
        self.dress();
    }

    fn adopt_myself(&mut self, mut saved: Node) {
        let configured = self.table.me();
        saved.address.port = configured.address.port;
        saved.address.bus_port = configured.address.bus_port;
        saved.address.plain_port = configured.address.plain_port;
        saved.address.ip = configured.address.ip.or(saved.address.ip);
        saved.flags.remove(NodeFlags::PFAIL | NodeFlags::FAIL | NodeFlags::NOADDR);
        saved.failed = None;
        saved.ping_sent = When::NEVER;
        self.table.alone(saved);
    }

    /// `CONFIG SET`: another configuration from here on. Where we listen stays as it is; where
    /// others are told that we are follows.
    pub(in super::super) fn reconfigure(&mut self, now: Instant, config: Config) {
        let before = core::mem::replace(&mut self.config, config);
        self.dress();
        let address = announced(&self.config);
        let mut me = self.table.me_mut();
        // What was learnt holds; what is no longer announced has to be learnt.
        let ip = if before.announce_ip == address.ip { me.address.ip } else { address.ip };
        me.address = Address { ip, ..address };
        drop(me);
        // With another timeout something else is due.
        for at in self.table.places() {
            if at != Ix::ME {
                self.look_soon(now, at);
            }
        }
        self.todo |= Todo::STATE | Todo::SAVE;
    }

    /// What the configuration says of this node itself.
    pub(super) fn dress(&mut self) {
        let no_failover = self.config.no_failover;
        let hostname = self.config.hostname.clone();
        let mut me = self.table.me_mut();
        me.flags.set(NodeFlags::NOFAILOVER, no_failover);
        me.hostname = hostname;
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use core::net::Ipv4Addr;

    use super::*;
    use crate::machine::{Input, Machine as _, Outbox};

    const ID: &str = "00000000000000000000000000000000000000aa";
    const OF: &str = "00000000000000000000000000000000000000bb";

    /// A start from that file: what it is refused with.
    fn refused(role: Role, myself: &str) -> Option<alloc::string::String> {
        let ip = Ipv4Addr::LOCALHOST.into();
        let mut node = Gossip::new(Config { role, ..Config::new(ip, 7000) }, 1);
        let mut out = Outbox::new();
        node.handle(Instant(1), Input::Wake, &mut out);
        let other = format!("{OF} 127.0.0.1:7001@17001 master - 0 0 2 connected 1-9\n");
        let file = format!(
            "{ID} 127.0.0.1:7000@17000 myself,{myself}\n{other}vars currentEpoch 2 lastVoteEpoch 0\n"
        );
        drop(out.take());
        node.handle(Instant(1), Input::Job(READ, Done::Read(Ok(file.into_bytes()))), &mut out);
        let effects = out.take();
        let why = effects.iter().find_map(|effect| {
            let Effect::Notice(notice @ Notice::StartRefused(_)) = effect else { return None };
            Some(format!("{notice}"))
        });
        let exits = effects.iter().any(|effect| matches!(effect, Effect::Exit { status: EXIT_CONFIG }));
        let listens = effects.iter().any(|effect| matches!(effect, Effect::Listen { .. }));
        assert_eq!((exits, listens), (why.is_some(), why.is_none()), "{myself}");
        why
    }

    #[test]
    fn a_role_that_the_state_file_does_not_fit_is_refused() {
        let replica = format!("slave {OF} 0 0 2 connected");
        let slot = "master - 0 0 1 connected 4242";
        let bare = "master - 0 0 1 connected";
        for stands in [false, true] {
            for state in [&replica, slot, bare] {
                assert_eq!(refused(Role::Replica { stands }, state), None);
            }
        }
        for (role, state, says) in [
            (Role::Witness, bare, None),
            (Role::Witness, slot, None),
            (Role::Observer, bare, None),
            (Role::Witness, &replica, Some("is a replica, which a witness is not")),
            (Role::Observer, &replica, Some("is a replica, which an observer is not")),
            (Role::Observer, slot, Some("is a master with slots (1), which an observer is not")),
        ] {
            let told = refused(role, state);
            assert_eq!(told.is_some(), says.is_some(), "{role:?} {state}: {told:?}");
            if let (Some(told), Some(says)) = (told, says) {
                assert!(told.contains(says) && told.contains("CLUSTER FORGET"), "{told}");
            }
        }
    }
}
