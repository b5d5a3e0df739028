//! What CTDB's own event script `10.interface` does on a host, as a pure function of what it
//! finds there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use standin_core::ctdb::files::public_addresses::{PublicAddress, PublicAddresses};
use standin_core::ctdb::types::Pnn;
use standin_core::ctdb::wire::{AddrInfo, Interface, InterfaceName, RequestData, Text, WireAddr};
use standin_core::host::Placed;
use standin_core::machine::Endpoint;
use standin_core::time::Duration;

use super::tool::Packets;
use crate::world::kernel::Kernel;
use crate::world::moment::HostId;

/// How much longer a new IPv6 address takes: the script waits until it is no duplicate.
pub const DUPLICATE_DETECTION: Duration = Duration::from_millis(1_500);

/// Something the script does to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptAct {
    /// An interface is set up; nothing if it is.
    InterfaceUp(String),
    /// An address is put on an interface.
    Add(Placed),
    /// An address is taken off an interface.
    Drop(Placed),
    /// The stock tool connects to the daemon's control socket and writes this.
    Say(Endpoint, Vec<u8>),
}

/// What comes of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What it does, in order.
    pub acts: Vec<ScriptAct>,
    /// Its exit status.
    pub status: u8,
    /// How much longer than usual it takes.
    pub longer: Duration,
}

/// What the script finds on its host.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The host's interfaces and addresses.
    pub kernel: &'a Kernel,
    /// The public addresses file, as the script reads it.
    pub entries: &'a [PublicAddress],
    /// `CTDB_PARTIALLY_ONLINE_INTERFACES`.
    pub partial: bool,
    /// The control socket's path.
    pub socket: &'a str,
}

/// The entries of a file that the script gets along with: a bad line is no entry.
#[must_use]
pub fn entries(file: &[u8]) -> Vec<PublicAddress> {
    let text = String::from_utf8_lossy(file);
    let lines = text.lines().filter_map(|line| PublicAddresses::parse(line.as_bytes()).ok());
    lines.flat_map(|one| one.entries().to_vec()).collect()
}

/// The file each host's script last read, with its entries: every event reads it, and it hardly
/// ever changes.
#[derive(Debug, Default)]
pub struct LastRead(RefCell<BTreeMap<HostId, Reading>>);

/// A file's bytes, and what they say.
type Reading = (Vec<u8>, Rc<[PublicAddress]>);

impl LastRead {
    /// What [`entries`] says of a host's file.
    pub fn entries(&self, host: HostId, file: &[u8]) -> Rc<[PublicAddress]> {
        let mut last = self.0.borrow_mut();
        if let Some((read, entries)) = last.get(&host)
            && read == file
        {
            return entries.clone();
        }
        let fresh: Rc<[_]> = entries(file).into();
        last.insert(host, (file.to_vec(), fresh.clone()));
        fresh
    }
}

/// Runs the script for an event with its arguments.
#[must_use]
pub fn run(event: &str, arguments: &[String], found: &Found<'_>) -> Outcome {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (event, words.as_slice()) {
        ("init" | "shutdown", _) => Some(drop_all(found)),
        ("takeip", [interface, ip, bits]) => placed(interface, ip, bits).map(|to| take(found, to)),
        ("releaseip", [_, ip, _]) => ip.parse().ok().map(|address| release(found, address)),
        ("updateip", [_, interface, ip, bits]) => placed(interface, ip, bits).map(|to| update(found, to)),
        ("takeip" | "releaseip" | "updateip", _) => None,
        ("monitor", _) => Some(monitor(found)),
        _ => Some(Outcome::default()),
    }
    .unwrap_or_else(|| Outcome { status: 1, ..Outcome::default() })
}

fn placed(interface: &str, ip: &str, bits: &str) -> Option<Placed> {
    let (address, prefix) = (ip.parse().ok()?, bits.parse().ok()?);
    Some(Placed { interface: interface.to_owned(), address, prefix })
}

/// Where an address really is.
fn places(kernel: &Kernel, address: IpAddr) -> impl Iterator<Item = Placed> {
    kernel.addresses().filter(move |placed| placed.address == address)
}

fn drop_all(found: &Found<'_>) -> Outcome {
    let all = found.entries.iter().flat_map(|entry| places(found.kernel, entry.address));
    Outcome { acts: all.map(ScriptAct::Drop).collect(), ..Outcome::default() }
}

fn take(found: &Found<'_>, to: Placed) -> Outcome {
    if found.kernel.interface(&to.interface).is_none() {
        return Outcome { status: 1, ..Outcome::default() };
    }
    let mut acts = vec![ScriptAct::InterfaceUp(to.interface.clone())];
    let there = places(found.kernel, to.address).any(|place| place.interface == to.interface);
    let longer = if there { Duration::ZERO } else { settles(to.address) };
    if !there {
        acts.push(ScriptAct::Add(to));
    }
    Outcome { acts, status: 0, longer }
}

fn release(found: &Found<'_>, address: IpAddr) -> Outcome {
    Outcome { acts: places(found.kernel, address).map(ScriptAct::Drop).collect(), ..Outcome::default() }
}

fn update(found: &Found<'_>, to: Placed) -> Outcome {
    let places: Vec<Placed> = places(found.kernel, to.address).collect();
    if places.iter().any(|place| place.interface == to.interface) && places.len() == 1 {
        return Outcome::default();
    }
    if found.kernel.interface(&to.interface).is_none() {
        return Outcome { status: 1, ..Outcome::default() };
    }
    let announcement = AddrInfo {
        address: WireAddr::public(to.address),
        mask: 0,
        interfaces: Some(Text::from(to.interface.as_str())),
    };
    let longer = settles(to.address);
    let mut acts: Vec<_> = places.into_iter().map(ScriptAct::Drop).collect();
    acts.extend([ScriptAct::InterfaceUp(to.interface.clone()), ScriptAct::Add(to)]);
    acts.push(say(found, &RequestData::SendGratuitousArp(announcement)));
    Outcome { acts, status: 0, longer }
}

/// Looks at every interface of the file: each has to be up, or, if the host may be partially
/// online, one of them; the daemon is then told which are.
fn monitor(found: &Found<'_>) -> Outcome {
    let mut names: Vec<&str> = Vec::new();
    for name in found.entries.iter().flat_map(|entry| &entry.interfaces) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let up = |name: &str| found.kernel.interface(name).is_some_and(crate::world::kernel::Interface::is_up);
    let down = names.iter().filter(|name| !up(name)).count();
    let mut acts = Vec::new();
    for name in names.iter().filter(|_| found.partial) {
        if let Some(link) = InterfaceName::new(name) {
            let link = Interface { name: link, link_state: up(name).into(), references: 0 };
            acts.push(say(found, &RequestData::SetIfaceLinkState(link)));
        }
    }
    let enough = down == 0 || (found.partial && down < names.len());
    Outcome { acts, status: u8::from(!enough), longer: Duration::ZERO }
}

fn say(found: &Found<'_>, data: &RequestData) -> ScriptAct {
    let bytes = Packets::new().ask(Pnn::CURRENT_NODE, data).into_bytes();
    ScriptAct::Say(Endpoint::Unix(found.socket.into()), bytes)
}

const fn settles(address: IpAddr) -> Duration {
    if address.is_ipv6() { DUPLICATE_DETECTION } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use standin_core::ctdb::wire::{Body, Pdu};

    use super::*;
    use crate::world::moment::Net;

    const FILE: &[u8] = b"10.1.0.10/16 eth1,eth2\nfd01::10/64 eth1\n";

    fn at(interface: &str, address: &str, prefix: u8) -> Placed {
        Placed { interface: interface.to_owned(), address: address.parse().unwrap(), prefix }
    }

    fn kernel(held: &[Placed]) -> Kernel {
        let own = |text: &str| text.parse().unwrap();
        let mut kernel = Kernel::new().plugged("eth1", Net::Public, own("198.18.0.1"), 16).plugged(
            "eth2",
            Net::Public,
            own("198.18.100.1"),
            16,
        );
        for placed in held {
            kernel.add_address(placed).unwrap();
        }
        kernel
    }

    fn run_on(kernel: &Kernel, partial: bool, event: &str) -> Outcome {
        let mut words = event.split(' ').map(str::to_owned);
        let event = words.next().unwrap();
        let found = Found { kernel, entries: &entries(FILE), partial, socket: "socket" };
        run(&event, &words.collect::<Vec<_>>(), &found)
    }

    fn acts(held: &[Placed], event: &str) -> Vec<ScriptAct> {
        let outcome = run_on(&kernel(held), false, event);
        assert_eq!(outcome.status, 0);
        outcome.acts
    }

    /// The controls that were said.
    fn said(acts: &[ScriptAct]) -> Vec<RequestData> {
        let request = |act: &ScriptAct| {
            let ScriptAct::Say(to, bytes) = act else { return None };
            assert_eq!(*to, Endpoint::Unix("socket".into()));
            let Body::ControlRequest(request) = Pdu::decode(bytes).unwrap().body else { return None };
            request.decode_data().ok()
        };
        acts.iter().filter_map(request).collect()
    }

    #[test]
    fn init_and_shutdown_drop_every_public_address_and_no_other() {
        let (four, six) = (at("eth2", "10.1.0.10", 16), at("eth1", "fd01::10", 64));
        let held = [four.clone(), at("eth1", "10.1.0.77", 16), six.clone()];
        for event in ["init", "shutdown"] {
            assert_eq!(acts(&held, event), [ScriptAct::Drop(four.clone()), ScriptAct::Drop(six.clone())]);
            assert_eq!(acts(&[], event), []);
        }
    }

    #[test]
    fn takeip_sets_up_and_adds_and_is_content_with_what_is_there() {
        let four = at("eth1", "10.1.0.10", 16);
        let up = ScriptAct::InterfaceUp("eth1".to_owned());
        let both = [up.clone(), ScriptAct::Add(four.clone())];
        assert_eq!(acts(&[], "takeip eth1 10.1.0.10 16"), both);
        assert_eq!(acts(&[four], "takeip eth1 10.1.0.10 16"), [up]);
    }

    #[test]
    fn a_new_ipv6_address_takes_longer() {
        let six = at("eth1", "fd01::10", 64);
        let longer = |held: &[Placed], event| run_on(&kernel(held), false, event).longer;
        let there = std::slice::from_ref(&six);
        assert_eq!(longer(&[], "takeip eth1 fd01::10 64"), DUPLICATE_DETECTION);
        assert_eq!(longer(there, "takeip eth1 fd01::10 64"), Duration::ZERO);
        assert_eq!(longer(there, "updateip eth1 eth2 fd01::10 64"), DUPLICATE_DETECTION);
        assert_eq!(longer(&[], "takeip eth1 10.1.0.10 16"), Duration::ZERO);
    }

    #[test]
    fn releaseip_finds_the_interface_itself() {
        let four = at("eth2", "10.1.0.10", 16);
        for event in ["releaseip __none__ 10.1.0.10 16", "releaseip eth1 10.1.0.10 16"] {
            assert_eq!(acts(std::slice::from_ref(&four), event), [ScriptAct::Drop(four.clone())]);
            assert_eq!(acts(&[], event), []);
        }
    }

    #[test]
    fn updateip_moves_and_announces_unless_nothing_changes() {
        let (here, there) = (at("eth1", "10.1.0.10", 16), at("eth2", "10.1.0.10", 16));
        let moved = acts(std::slice::from_ref(&here), "updateip eth1 eth2 10.1.0.10 16");
        let up = ScriptAct::InterfaceUp("eth2".to_owned());
        assert_eq!(moved[..3], [ScriptAct::Drop(here), up, ScriptAct::Add(there.clone())]);
        let announcement = AddrInfo {
            address: WireAddr::public(there.address),
            mask: 0,
            interfaces: Some(Text::from("eth2")),
        };
        assert_eq!(said(&moved), [RequestData::SendGratuitousArp(announcement)]);
        assert_eq!(acts(&[there], "updateip __none__ eth2 10.1.0.10 16"), []);
    }

    #[test]
    fn monitor_fails_if_any_link_is_down_or_if_all_are() {
        let mut kernel = kernel(&[]);
        let link = |name: &str, link_state| {
            let name = InterfaceName::new(name).unwrap();
            RequestData::SetIfaceLinkState(Interface { name, link_state, references: 0 })
        };
        for (eth1, eth2, strictly, partially) in
            [(true, true, 0, 0), (true, false, 1, 0), (false, true, 1, 0), (false, false, 1, 1)]
        {
            kernel.set_carrier("eth1", eth1).unwrap();
            kernel.set_carrier("eth2", eth2).unwrap();
            let all = run_on(&kernel, false, "monitor");
            assert_eq!((all.status, all.acts), (strictly, Vec::new()));
            let some = run_on(&kernel, true, "monitor");
            let links = [link("eth1", eth1.into()), link("eth2", eth2.into())];
            assert_eq!((some.status, said(&some.acts)), (partially, links.to_vec()));
        }
        let nothing = Found { kernel: &kernel, entries: &[], partial: false, socket: "" };
        assert_eq!(run("monitor", &[], &nothing), Outcome::default());
    }

    #[test]
    fn what_it_cannot_do_fails_and_what_it_does_not_know_is_nothing() {
        let kernel = kernel(&[at("eth1", "10.1.0.10", 16)]);
        for event in [
            "takeip eth7 10.1.0.10 16",
            "takeip eth1 10.1.0.300 16",
            "takeip eth1",
            "updateip eth1 eth7 10.1.0.10 16",
            "releaseip eth1 x 16",
        ] {
            assert_eq!(run_on(&kernel, false, event), Outcome { status: 1, ..Outcome::default() }, "{event}");
        }
        assert_eq!(run_on(&kernel, false, "ipreallocated"), Outcome::default());
    }

    #[test]
    fn a_bad_line_is_no_entry() {
        let found = entries(b"10.1.0.10/16 eth1\nbogus\n# no\n\nfd01::10/64 eth1,eth2\n");
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.1.0.10/16 eth1", "fd01::10/64 eth1,eth2"]
        );
    }

    #[test]
    fn a_file_that_is_another_now_is_read_again() {
        let (last, ones) = (LastRead::default(), |entries: Rc<[PublicAddress]>| entries.len());
        assert_eq!(ones(last.entries(HostId(0), FILE)), 2);
        assert_eq!(ones(last.entries(HostId(1), b"")), 0);
        assert_eq!(ones(last.entries(HostId(0), FILE)), 2);
        assert_eq!(ones(last.entries(HostId(0), b"10.1.0.10/16 eth1\n")), 1);
    }
}
