//! What can befall hosts and networks, each with its undoing. A fault prints as the words a
//! scenario uses for it.

use std::fmt;
use std::net::IpAddr;

use standin_core::time::Duration;

use super::moment::{HostId, Net};
use super::network::Weather;
use super::scripts::Trouble;

/// A word for every event.
pub const ANY_EVENT: &str = "any";
/// What stands before the number of a watched address.
pub const WATCHED: &str = "watched-";

/// One host, or every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// This one.
    One(HostId),
    /// All that run a daemon.
    All,
}

/// Which directions of which pairs a cut concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ways {
    /// From the first to the second only.
    OneWay(HostId, HostId),
    /// Between two, both ways.
    Between(HostId, HostId),
    /// Between every two of different sides. A host on no side keeps all its ways.
    Sides(Vec<Vec<HostId>>),
}

/// An address that something befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    Given(IpAddr),
    /// The one of this number among those the client watches, counted from 0 and round again;
    /// for whoever does not know their names.
    Watched(u32),
}

/// Something that befalls the world. The text form is in `scenarios/README.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Silence: no FIN, nothing synced.
    PowerOff(Who),
    /// The kernel is up at once and starts the daemon.
    PowerOn(Who),
    /// The daemon dies as by SIGKILL; its kernel closes its sockets.
    Crash(Who),
    /// The daemon is started, where it does not run.
    Start(Who),
    /// Crash and start.
    Restart(Who),
    /// The daemon takes no input any more, and never will again.
    Hang(Who),
    /// SIGSTOP.
    Pause(Who),
    /// SIGCONT; what waited is taken at once.
    Resume(Who),
    /// The whole host sleeps; its clock will have jumped.
    Suspend(Who),
    /// It wakes.
    Wake(Who),
    /// Every input is taken this much late; zero ends it.
    Slow(Who, Duration),
    /// The monotonic clock runs this much too fast (ppm).
    ClockRate(Who, i32),
    /// The monotonic clock jumps forward.
    ClockJump(Who, Duration),
    /// Addresses flushed, the interface gone for a while, back under a new index with the
    /// host's own addresses.
    NetworkRestart(Who, Net, Duration),
    /// The interface is set down.
    InterfaceDown(Who, Net),
    /// The interface is set up.
    InterfaceUp(Who, Net),
    /// No carrier.
    CablePull(Who, Net),
    /// Carrier.
    CablePlug(Who, Net),
    /// A network stops carrying these ways.
    Cut(Net, Ways),
    /// It carries them again.
    Mend(Net, Ways),
    /// Cut and mended in turn.
    Flap {
        /// Where.
        net: Net,
        /// What.
        ways: Ways,
        /// How long it is cut.
        down: Duration,
        /// How long it then carries.
        up: Duration,
    },
    /// The flapping ends, mended.
    Unflap(Net, Ways),
    /// Delay, jitter and loss at one port or all.
    Weather(Net, Who, Weather),
    /// A computer that is no member dials every port of the daemon.
    Knock(Who),
    /// Bytes that mean nothing, on the stream the first opened to the second.
    Garbage(HostId, HostId),
    /// The disk takes no more.
    DiskFull(Who),
    /// It does again.
    DiskFree(Who),
    /// An address is deleted by hand, wherever on the host it is; a primary's secondaries go
    /// with it.
    AddressDel(Who, Which),
    /// An address is added by hand. Without network bits it gets those it has elsewhere, or
    /// usually has: 24, 64 for IPv6.
    AddressAdd(Who, Net, Which, Option<u8>),
    /// The host puts its own addresses back where they are missing.
    Readdress(Who),
    /// Whether the kernel promotes a secondary when its primary goes.
    Promote(Who, bool),
    /// Something is wrong with a script of an event (`None`: of any), the one named or the
    /// usual one (see [`Scripts::set_fault`](super::scripts::Scripts::set_fault)).
    Script(Who, Option<String>, Trouble, Option<String>),
    /// Nothing is wrong any more with the scripts of an event (`None`: of all).
    ScriptFine(Who, Option<String>),
    /// Every lock vanishes under its holder, who is told unless it is cut off from the storage.
    LockLost,
    /// The locks' storage is silent for everybody.
    LockStall,
    /// It answers again.
    LockUnstall,
    /// The locks' storage cannot be reached from here, and gives no error.
    LockUnreachable(Who),
    /// It can again.
    LockReachable(Who),
    /// Everything above is undone.
    Heal,
}

/// The interface of a host on each network.
#[must_use]
pub const fn interface_name(net: Net) -> &'static str {
    match net {
        Net::Private => "eth0",
        Net::Public => "eth1",
    }
}

impl Fault {
    /// What undoes it, if anything has to.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        Some(match self {
            Self::PowerOff(who) => Self::PowerOn(*who),
            Self::Crash(who) => Self::Start(*who),
            Self::Hang(who) => Self::Restart(*who),
            Self::Pause(who) => Self::Resume(*who),
            Self::Suspend(who) => Self::Wake(*who),
            Self::Slow(who, late) if *late != Duration::ZERO => Self::Slow(*who, Duration::ZERO),
            Self::ClockRate(who, ppm) if *ppm != 0 => Self::ClockRate(*who, 0),
            Self::InterfaceDown(who, net) => Self::InterfaceUp(*who, *net),
            Self::CablePull(who, net) => Self::CablePlug(*who, *net),
            Self::Cut(net, ways) => Self::Mend(*net, ways.clone()),
            Self::Flap { net, ways, .. } => Self::Unflap(*net, ways.clone()),
            Self::Weather(net, who, weather) if *weather != Weather::CALM => {
                Self::Weather(*net, *who, Weather::CALM)
            }
            Self::DiskFull(who) => Self::DiskFree(*who),
            Self::AddressDel(who, _) => Self::Readdress(*who),
            Self::AddressAdd(who, _, which, _) => Self::AddressDel(*who, *which),
            Self::Promote(who, on) => Self::Promote(*who, !on),
            Self::Script(who, event, ..) => Self::ScriptFine(*who, event.clone()),
            Self::LockStall => Self::LockUnstall,
            Self::LockUnreachable(who) => Self::LockReachable(*who),
            Self::PowerOn(_)
            | Self::Start(_)
            | Self::Restart(_)
            | Self::Resume(_)
            | Self::Wake(_)
            | Self::Slow(..)
            | Self::ClockRate(..)
            | Self::ClockJump(..)
            | Self::NetworkRestart(..)
            | Self::InterfaceUp(..)
            | Self::CablePlug(..)
            | Self::Mend(..)
            | Self::Unflap(..)
            | Self::Weather(..)
            | Self::Knock(_)
            | Self::Garbage(..)
            | Self::DiskFree(_)
            | Self::Readdress(_)
            | Self::ScriptFine(..)
            | Self::LockLost
            | Self::LockUnstall
            | Self::LockReachable(_)
            | Self::Heal => return None,
        })
    }
}

impl Ways {
    /// Every (from, to) it stands for.
    #[must_use]
    pub fn pairs(&self) -> Vec<(HostId, HostId)> {
        match self {
            Self::OneWay(from, to) => vec![(*from, *to)],
            Self::Between(one, other) => vec![(*one, *other), (*other, *one)],
            Self::Sides(sides) => {
                let mut pairs = Vec::new();
                for (at, side) in sides.iter().enumerate() {
                    let others = sides.iter().enumerate().filter(|(other, _)| *other != at);
                    for (_, other) in others {
                        pairs.extend(side.iter().flat_map(|&from| other.iter().map(move |&to| (from, to))));
                    }
                }
                pairs
            }
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(host) => write!(f, "{host}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(address) => write!(f, "{address}"),
            Self::Watched(number) => write!(f, "{WATCHED}{number}"),
        }
    }
}

/// `script-fail n1 takeip 1 10.first`: verb, whom, event, figure, script.
fn script(
    f: &mut fmt::Formatter<'_>,
    who: Who,
    event: Option<&str>,
    trouble: Trouble,
    script: Option<&str>,
) -> fmt::Result {
    let event = event.unwrap_or(ANY_EVENT);
    match trouble {
        Trouble::Slow(late) => write!(f, "script-slow {who} {event} {late}")?,
        Trouble::Fails(status) => write!(f, "script-fail {who} {event} {status}")?,
        Trouble::FailsLate(status) => write!(f, "script-fail-late {who} {event} {status}")?,
        Trouble::Hangs => write!(f, "script-hang {who} {event}")?,
    }
    script.map_or(Ok(()), |script| write!(f, " {script}"))
}

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneWay(from, to) => write!(f, "{from} -> {to}"),
            Self::Between(one, other) => write!(f, "{one} <-> {other}"),
            Self::Sides(sides) => {
                for (at, side) in sides.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" | ")?;
                    }
                    for (place, host) in side.iter().enumerate() {
                        write!(f, "{}{host}", if place > 0 { " " } else { "" })?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff(who) => write!(f, "power-off {who}"),
            Self::PowerOn(who) => write!(f, "power-on {who}"),
            Self::Crash(who) => write!(f, "crash {who}"),
            Self::Start(who) => write!(f, "start {who}"),
            Self::Restart(who) => write!(f, "restart {who}"),
            Self::Hang(who) => write!(f, "hang {who}"),
            Self::Pause(who) => write!(f, "pause {who}"),
            Self::Resume(who) => write!(f, "resume {who}"),
            Self::Suspend(who) => write!(f, "suspend {who}"),
            Self::Wake(who) => write!(f, "wake {who}"),
            Self::Slow(who, late) => write!(f, "slow {who} {late}"),
            Self::ClockRate(who, ppm) => write!(f, "clock-rate {who} {ppm:+}ppm"),
            Self::ClockJump(who, ahead) => write!(f, "clock-jump {who} {ahead}"),
            Self::NetworkRestart(who, net, gap) => write!(f, "network-restart {who} {net} {gap}"),
            Self::InterfaceDown(who, net) => write!(f, "interface-down {who} {net}"),
            Self::InterfaceUp(who, net) => write!(f, "interface-up {who} {net}"),
            Self::CablePull(who, net) => write!(f, "cable-pull {who} {net}"),
            Self::CablePlug(who, net) => write!(f, "cable-plug {who} {net}"),
            Self::Cut(net, ways) => write!(f, "cut {net} {ways}"),
            Self::Mend(net, ways) => write!(f, "mend {net} {ways}"),
            Self::Flap { net, ways, down, up } => write!(f, "flap {net} {ways} down {down} up {up}"),
            Self::Unflap(net, ways) => write!(f, "unflap {net} {ways}"),
            Self::Weather(net, who, weather) if *weather == Weather::CALM => {
                write!(f, "weather {net} {who} calm")
            }
            Self::Weather(net, who, Weather { latency, jitter, loss_ppm }) => {
                write!(f, "weather {net} {who} latency {latency} jitter {jitter} loss {loss_ppm}ppm")
            }
            Self::Knock(who) => write!(f, "knock {who}"),
            Self::Garbage(from, to) => write!(f, "garbage {from} -> {to}"),
            Self::DiskFull(who) => write!(f, "disk-full {who}"),
            Self::DiskFree(who) => write!(f, "disk-free {who}"),
            Self::AddressDel(who, which) => write!(f, "address-del {who} {which}"),
            Self::AddressAdd(who, net, which, None) => write!(f, "address-add {who} {net} {which}"),
            Self::AddressAdd(who, net, which, Some(bits)) => {
                write!(f, "address-add {who} {net} {which}/{bits}")
            }
            Self::Readdress(who) => write!(f, "readdress {who}"),
            Self::Promote(who, on) => write!(f, "promote {who} {}", if *on { "on" } else { "off" }),
            Self::Script(who, event, trouble, name) => {
                script(f, *who, event.as_deref(), *trouble, name.as_deref())
            }
            Self::ScriptFine(who, event) => {
                write!(f, "script-fine {who} {}", event.as_deref().unwrap_or(ANY_EVENT))
            }
            Self::LockLost => f.write_str("lock-lost"),
            Self::LockStall => f.write_str("lock-stall"),
            Self::LockUnstall => f.write_str("lock-unstall"),
            Self::LockUnreachable(who) => write!(f, "lock-unreachable {who}"),
            Self::LockReachable(who) => write!(f, "lock-reachable {who}"),
            Self::Heal => f.write_str("heal"),
        }
    }
}
