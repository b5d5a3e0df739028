//! Doing a gossip cluster's actions to a world: operators and clients, in the words of `tool`.

use std::collections::BTreeSet;

use standin_core::gossip::{Gossip, Order};
use standin_core::machine::Endpoint;

use super::build::{Cluster, Place, usual_address};
use super::facts::{known, name_of, up};
use super::hands::Written;
use super::tool::{Commands, key_of};
use super::verbs::{Action, How, Ranges, Slot, Write};
use crate::world::World;
use crate::world::fault::{Fault, Who};
use crate::world::moment::{HostId, Net};
use crate::world::puppet::PuppetId;

/// Nodes a client lets itself be sent to before it gives up.
const MOVES_MAX: usize = 5;

fn hosts(cluster: &Cluster, who: Who) -> Vec<HostId> {
    match who {
        Who::One(host) => vec![host],
        Who::All => (0..cluster.members).map(HostId).collect(),
    }
}

/// Whether a program can be run on the host, and finds its daemon.
fn able(world: &World<Gossip>, host: HostId) -> bool {
    world.host(host).runs() && world.host(host).awake()
}

/// An operator's tool on a host says this to the daemon there, if it can.
fn say(cluster: &Cluster, world: &mut World<Gossip>, host: HostId, commands: Commands) -> Option<PuppetId> {
    let to = cluster.clients_port(world, host).filter(|_| able(world, host))?;
    Some(world.puppet_dial(host, None, &Endpoint::Tcp(to), commands.into_bytes()))
}

fn tell(cluster: &Cluster, world: &mut World<Gossip>, host: HostId, line: &str) {
    say(cluster, world, host, Commands::new().say(line));
}

/// Does an action now.
pub(super) fn act(cluster: &Cluster, world: &mut World<Gossip>, action: &Action) {
    let name = |world: &World<Gossip>, host| name_of(cluster, world, host);
    match action {
        Action::Meet(from, to) => meet(cluster, world, *from, *to),
        Action::AddSlots(host, ranges) => tell(cluster, world, *host, &ranged("ADDSLOTSRANGE", ranges)),
        Action::DelSlots(host, ranges) => {
            touch(cluster, ranges);
            tell(cluster, world, *host, &ranged("DELSLOTSRANGE", ranges));
        }
        Action::Replicate(host, of) => {
            let line = format!("CLUSTER REPLICATE {}", name(world, *of));
            tell(cluster, world, *host, &line);
        }
        Action::Failover(host, How::Default) => tell(cluster, world, *host, "CLUSTER FAILOVER"),
        Action::Failover(host, How::Force) => tell(cluster, world, *host, "CLUSTER FAILOVER FORCE"),
        Action::Failover(host, How::Takeover) => tell(cluster, world, *host, "CLUSTER FAILOVER TAKEOVER"),
        Action::Forget(who, whom) => {
            let line = format!("CLUSTER FORGET {}", name(world, *whom));
            for host in hosts(cluster, *who).into_iter().filter(|host| host != whom) {
                tell(cluster, world, host, &line);
            }
        }
        Action::Reset(host, hard) => reset(cluster, world, *host, *hard),
        Action::Retire(host, hard) => {
            let idle = up(world, *host).is_some_and(|machine| machine.table().me().slots().is_empty());
            if idle {
                reset(cluster, world, *host, *hard);
            }
        }
        Action::SetSlot(host, slot, what) => {
            cluster.hands.borrow_mut().touched.insert(*slot);
            let fate = match what {
                Slot::Importing(from) => format!("IMPORTING {}", name(world, *from)),
                Slot::Migrating(to) => format!("MIGRATING {}", name(world, *to)),
                Slot::Node(owner) => format!("NODE {}", name(world, *owner)),
                Slot::Stable => "STABLE".to_owned(),
            };
            tell(cluster, world, *host, &format!("CLUSTER SETSLOT {slot} {fate}"));
        }
        Action::Import(slot, to) => import(cluster, world, *slot, *to),
        Action::BumpEpoch(host) => tell(cluster, world, *host, "CLUSTER BUMPEPOCH"),
        Action::SetEpoch(host, epoch) => {
            tell(cluster, world, *host, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
        }
        Action::Write(write) => client_writes(cluster, world, write),
        Action::Create => create(cluster, world),
        Action::Enlist => enlist(cluster, world),
        Action::Stop(who) => {
            // Who sleeps or is stopped would hear of it long afterwards.
            for host in
                hosts(cluster, *who).into_iter().filter(|host| world.host(*host).brisk()).collect::<Vec<_>>()
            {
                world.order(host, Order::Stop);
            }
        }
        Action::Command(host, line) => {
            let upper = line.to_ascii_uppercase();
            if ["ADDSLOTS", "DELSLOTS", "FLUSHSLOTS"].iter().any(|word| upper.contains(word)) {
                cluster.hands.borrow_mut().emptied.insert(*host);
            }
            tell(cluster, world, *host, line);
        }
    }
}

/// What undoes an action, where something has to.
pub(super) fn undo(cluster: &Cluster, action: &Action) -> Option<Action> {
    let companion = |host: HostId| cluster.companions(host).find(|other| *other != host);
    match action {
        Action::Forget(Who::One(host), whom) => Some(Action::Meet(*host, *whom)),
        Action::Forget(Who::All, whom) | Action::Retire(whom, _) => {
            companion(*whom).map(|other| Action::Meet(*whom, other))
        }
        Action::Meet(..)
        | Action::AddSlots(..)
        | Action::DelSlots(..)
        | Action::Replicate(..)
        | Action::Failover(..)
        | Action::Reset(..)
        | Action::SetSlot(..)
        | Action::Import(..)
        | Action::BumpEpoch(_)
        | Action::SetEpoch(..)
        | Action::Write(_)
        | Action::Create
        | Action::Enlist
        | Action::Stop(_)
        | Action::Command(..) => None,
    }
}

/// Every fault undone; whoever runs meets those of its cluster who start only now, or whom it has
/// lost from sight, or who have lost it.
pub(super) fn heal(cluster: &Cluster, world: &mut World<Gossip>) {
    world.befall(&Fault::Heal);
    let lost = |world: &World<Gossip>, host: HostId, other: HostId| {
        up(world, host).is_none_or(|machine| {
            known(machine, &name_of(cluster, world, other)).is_none_or(|node| node.address.ip.is_none())
        })
    };
    let running: Vec<HostId> =
        hosts(cluster, Who::All).into_iter().filter(|host| up(world, *host).is_some()).collect();
    let met: BTreeSet<HostId> = running.iter().flat_map(|host| cluster.companions(*host)).collect();
    cluster.hands.borrow_mut().unmet = world.members().filter(|host| !met.contains(host)).collect();
    for host in running {
        for other in cluster.companions(host).filter(|other| *other != host) {
            if lost(world, host, other) || lost(world, other, host) {
                meet(cluster, world, host, other);
            }
        }
    }
}

fn meet(cluster: &Cluster, world: &mut World<Gossip>, from: HostId, to: HostId) {
    if cluster.companions(from).all(|companion| companion != to) {
        cluster.hands.borrow_mut().merged = true;
    }
    let there = cluster.clients_port(world, to);
    let ip = there.map_or(usual_address(Net::Private, to.0), |there| there.ip());
    tell(cluster, world, from, &format!("CLUSTER MEET {ip} {}", cluster.config.port));
}

fn reset(cluster: &Cluster, world: &mut World<Gossip>, host: HostId, hard: bool) {
    if up(world, host).is_some_and(|machine| !machine.table().me().slots().is_empty()) {
        cluster.hands.borrow_mut().emptied.insert(host);
    }
    tell(cluster, world, host, if hard { "CLUSTER RESET HARD" } else { "CLUSTER RESET" });
}

/// The new owner says that it imports the slot, and that it has: its claim is the latest then,
/// and the former owner learns of it as everybody does.
fn import(cluster: &Cluster, world: &mut World<Gossip>, slot: u16, to: HostId) {
    let Some(machine) = up(world, to) else { return };
    let (me, owner) = (machine.id(), machine.owner_of(slot));
    let Some(owner) = owner.filter(|owner| *owner != me && machine.table().me().is_master()) else { return };
    cluster.hands.borrow_mut().touched.insert(slot);
    let commands = Commands::new()
        .say(&format!("CLUSTER SETSLOT {slot} IMPORTING {owner}"))
        .say(&format!("CLUSTER SETSLOT {slot} NODE {me}"));
    say(cluster, world, to, commands);
}

/// A client asks one node and goes where it is sent, as their tables say; the last one hears it.
fn client_writes(cluster: &Cluster, world: &mut World<Gossip>, write: &Write) {
    let runs = |host: &HostId| able(world, *host) && up(world, *host).is_some();
    let Some(seat) = write.at.or_else(|| hosts(cluster, Who::All).into_iter().find(runs)) else { return };
    let Some(mut asked) = cluster.clients_port(world, seat).filter(|_| runs(&seat)) else { return };
    let mut host = seat;
    for _ in 0..MOVES_MAX {
        let Some(machine) = up(world, host) else { break };
        let owner = machine.table().owner(write.slot).map(|at| machine.table().get(at));
        let Some(owner) = owner.filter(|owner| owner.id != machine.id()) else { break };
        let Some(ip) = owner.address.ip else { break };
        asked = std::net::SocketAddr::new(ip, owner.address.port);
        let Some(next) = cluster.host_at(ip) else { break };
        host = next;
    }
    let key = key_of(write.slot);
    let mut commands = Commands::new();
    for number in 0..write.times {
        let value = (write.value + u64::from(number)).to_string();
        commands = commands.then(&["SET", &key, &value]);
    }
    let puppet = world.puppet_dial(seat, None, &Endpoint::Tcp(asked), commands.into_bytes());
    let mut there = world.members().filter(|host| world.host(*host).kernel.holds(asked.ip()));
    let asked = there.next().filter(|_| there.next().is_none()).and_then(|host| {
        let register = up(world, host)?.register(write.slot).unwrap_or_default();
        Some((host, register.writes))
    });
    let written = Written { puppet, slot: write.slot, times: write.times, asked };
    cluster.hands.borrow_mut().writes.push(written);
}

/// As the stock tool begins a cluster: slots and epochs first, then everybody meets the first.
fn create(cluster: &Cluster, world: &mut World<Gossip>) {
    let mut epoch = 0;
    for host in hosts(cluster, Who::All) {
        let first = HostId(cluster.places[host.index()].0);
        let mut commands = Commands::new();
        let owned = match cluster.place(host) {
            Place::Master(from, to) => Some((from, to)),
            Place::Witness(slot) => Some((slot, slot)),
            Place::Replica(_) | Place::Spare => None,
        };
        if host == first {
            epoch = 0;
        }
        if let Some((from, to)) = owned {
            epoch += 1;
            commands = commands
                .say(&format!("CLUSTER ADDSLOTSRANGE {from} {to}"))
                .say(&format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
        }
        if host != first {
            let (ip, port) = (usual_address(Net::Private, first.0), cluster.config.port);
            commands = commands.say(&format!("CLUSTER MEET {ip} {port}"));
        }
        say(cluster, world, host, commands);
    }
}

/// Replicas that have not found their places yet are sent there.
fn enlist(cluster: &Cluster, world: &mut World<Gossip>) {
    for host in hosts(cluster, Who::All) {
        let Place::Replica(of) = cluster.place(host) else { continue };
        let idle = up(world, host).is_some_and(|machine| {
            let me = machine.table().me();
            me.is_master() && me.slots().is_empty()
        });
        if idle {
            let line = format!("CLUSTER REPLICATE {}", name_of(cluster, world, of));
            tell(cluster, world, host, &line);
        }
    }
}

fn ranged(command: &str, ranges: &Ranges) -> String {
    let words: Vec<_> = ranges.0.iter().map(|(first, last)| format!("{first} {last}")).collect();
    format!("CLUSTER {command} {}", words.join(" "))
}

fn touch(cluster: &Cluster, ranges: &Ranges) {
    let mut hands = cluster.hands.borrow_mut();
    ranges.0.iter().for_each(|&(first, last)| hands.touched.extend(first..=last));
}
