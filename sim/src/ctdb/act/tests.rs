use standin_core::ctdb::types::{NodeFlags, Opcode};
use standin_core::ctdb::wire::{Body, MessageData, Pdu};
use standin_core::text::lines;

use super::super::facts::own_flags;
use super::super::read;
use super::*;
use crate::plan::Setup;
use crate::world::moment::Moment;
use crate::world::puppet::PuppetId;

/// Three connected daemons.
struct Stage {
    cluster: std::rc::Rc<Cluster>,
    world: World<Ctdb>,
}

fn action(text: &str) -> Action {
    let words: Vec<_> = lines(text).flat_map(standin_core::text::Piece::words).collect();
    read::action(&words, 3).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

impl Stage {
    fn new(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let setup = Setup { seed: 1, nodes: 3, settings, plant: None };
        let cluster = Cluster::new(&setup).unwrap_or_else(|wrong| panic!("{}", wrong.what));
        let cluster = std::rc::Rc::new(cluster);
        let mut world = super::super::build::world(&setup, &cluster);
        world.befall(&Fault::Start(Who::All));
        let mut stage = Self { cluster, world };
        stage.pass(20);
        stage
    }

    fn pass(&mut self, seconds: u64) {
        let until = self.world.now() + standin_core::time::Duration::from_secs(seconds);
        while self.world.advance(until) {
            self.world.news.clear();
        }
        assert!(self.world.now() > Moment::START);
    }

    /// What the tools write, in words: who sits where, and each packet.
    fn does(&mut self, text: &str) -> Vec<String> {
        let before = self.world.puppet_count();
        act(&self.cluster, &mut self.world, &action(text));
        let new = (before..self.world.puppet_count()).map(|number| self.world.puppet(PuppetId(number)));
        new.flat_map(|puppet| packets(puppet.host, &puppet.says)).collect()
    }

    fn file(&mut self, host: u32) -> Option<String> {
        let read = self.world.disk(HostId(host)).read("public_addresses").map(<[u8]>::to_vec).ok();
        read.map(|bytes| String::from_utf8(bytes).unwrap())
    }
}

fn packets(host: HostId, mut bytes: &[u8]) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(length) = bytes.first_chunk::<4>() {
        let (frame, rest) = bytes.split_at(u32::from_le_bytes(*length) as usize);
        bytes = rest;
        let Pdu { header, body } = Pdu::decode(frame).unwrap();
        let what = match body {
            Body::ControlRequest(request) => {
                assert!(request.decode_data().is_ok(), "{request:?}");
                request.opcode.name().unwrap_or_default().to_owned()
            }
            Body::Message(message) => said_by(message.decode_data().unwrap()),
            Body::Keepalive(_) | Body::ControlReply(_) | Body::Tunnel(_) | Body::Other { .. } => {
                format!("{body:?}")
            }
        };
        said.push(format!("{host}: {what} -> {}", header.destination));
    }
    said
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the tool says nothing else")]
fn said_by(message: MessageData) -> String {
    match message {
        MessageData::DisableTakeoverRuns(off) => format!("runs-off-{}", off.seconds),
        MessageData::DisableRecoveries(off) => format!("recoveries-off-{}", off.seconds),
        MessageData::DisableIpCheck(off) => format!("check-off-{}", off.0),
        MessageData::TakeoverRun(asks) => format!("takeover-run-for-{}", asks.pnn),
        MessageData::RebalanceNode(pnn) => format!("rebalance-{pnn}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_change_of_flags_is_followed_by_a_request_for_a_takeover_run() {
    let mut stage = Stage::new(&[]);
    for (text, opcode) in [
        ("disable n1", Opcode::DISABLE_NODE),
        ("enable n1", Opcode::ENABLE_NODE),
        ("stop-node n1", Opcode::STOP_NODE),
        ("continue n1", Opcode::CONTINUE_NODE),
        ("ban n1 60s", Opcode::SET_BAN_STATE),
        ("unban n1", Opcode::SET_BAN_STATE),
    ] {
        let control = format!("n1: {} -> here", opcode.name().unwrap());
        assert_eq!(stage.does(text), [control.as_str(), "n1: takeover-run-for-n1 -> connected"]);
    }
    assert_eq!(stage.does("ipreallocate n2"), ["n2: takeover-run-for-n2 -> connected"]);
}

#[test]
fn an_address_is_moved_from_wherever_the_operator_sits() {
    let mut stage = Stage::new(&[]);
    let from = |host: &str| {
        ["check-off-20 -> connected", "RELEASE_IP -> n0", "RELEASE_IP -> n1", "TAKEOVER_IP -> n2"]
            .map(|packet| format!("{host}: {packet}"))
    };
    assert_eq!(stage.does("moveip 10.1.0.10 n2"), from("n0"));
    assert_eq!(stage.does("moveip 10.1.0.10 n2 on n1"), from("n1"));
    stage.world.befall(&Fault::Crash(Who::One(HostId(0))));
    stage.pass(60);
    assert_eq!(stage.does("moveip 10.1.0.10 n2 on n0"), <[String; 0]>::default());
    assert_eq!(
        stage.does("moveip 10.1.0.10 n2")[1..],
        ["n1: RELEASE_IP -> n1".to_owned(), "n1: TAKEOVER_IP -> n2".to_owned()]
    );
}

#[test]
fn addresses_are_read_again_while_takeover_runs_are_off() {
    let mut stage = Stage::new(&[]);
    let each = |packet: &str| -> Vec<String> { (0..3).map(|to| format!("n1: {packet} -> n{to}")).collect() };
    let mut expected = each("runs-off-20");
    expected.push("n1: RELOAD_PUBLIC_IPS -> n1".to_owned());
    expected.extend(each("runs-off-0"));
    expected.push("n1: takeover-run-for-n1 -> connected".to_owned());
    assert_eq!(stage.does("reloadips n1"), expected);
    let all = stage.does("reloadips all");
    assert_eq!(all.iter().filter(|packet| packet.contains("RELOAD_PUBLIC_IPS")).count(), 3);
    let nodes = stage.does("reloadnodes on n2");
    assert_eq!(nodes[0], "n2: recoveries-off-20 -> n0");
    assert_eq!(nodes[3..6], ["n0", "n1", "n2"].map(|to| format!("n2: RELOAD_NODES_FILE -> {to}")));
    assert_eq!(nodes[6], "n2: recoveries-off-0 -> n0");
}

#[test]
fn the_rest_is_one_control_on_the_node_itself() {
    let mut stage = Stage::new(&[]);
    for (text, said) in [
        ("addip n1 10.1.0.77/16 eth1", &["ADD_PUBLIC_IP -> here", "rebalance-n1 -> connected"][..]),
        ("delip n1 10.1.0.10", &["DEL_PUBLIC_IP -> here"]),
        ("gratarp n1 10.1.0.10 eth1", &["SEND_GRATUITOUS_ARP -> here"]),
        ("setifacelink n1 eth1 down", &["SET_IFACE_LINK_STATE -> here"]),
        ("recover n1", &["SET_RECMODE -> here"]),
        ("set-tunable n1 NoIPFailback 1", &["SET_TUNABLE -> here"]),
        ("shutdown n1", &["SHUTDOWN -> here"]),
    ] {
        let said: Vec<_> = said.iter().map(|packet| format!("n1: {packet}")).collect();
        assert_eq!(stage.does(text), said, "{text}");
    }
    stage.pass(5);
    assert!(!stage.world.host(HostId(1)).runs());
    assert_eq!(stage.does("disable n1"), <[String; 0]>::default());
}

#[test]
fn files_are_edited_and_what_undoes_it_brings_them_back() {
    let mut stage = Stage::new(&[("public", "2"), ("publicless", "2")]);
    let original = "10.1.0.10/16 eth1\n10.1.0.11/16 eth1\n".to_owned();
    assert_eq!((stage.file(1), stage.file(2)), (Some(original.clone()), None));
    let edit = "write-addresses all 10.1.0.11/16@eth1,eth2 bogus";
    assert_eq!(stage.does(edit), <[String; 0]>::default());
    let edited = Some("10.1.0.11/16 eth1,eth2\nbogus\n".to_owned());
    assert_eq!((stage.file(1), stage.file(2)), (edited.clone(), edited));
    let undo = undo(&stage.cluster, &action(edit)).map(|undo| undo.to_string());
    assert_eq!(undo.as_deref(), Some("renew-addresses all original"));
    assert!(!stage.does("renew-addresses all original").is_empty());
    assert_eq!((stage.file(1), stage.file(2)), (Some(original), None));
    stage.does("write-addresses n1 none");
    assert_eq!(stage.file(1), None);
}

#[test]
fn what_has_to_be_undone_is() {
    let stage = Stage::new(&[("NoIPFailback", "1"), ("public-addresses", "10.1.0.10/16@0")]);
    let undone = |text: &str| undo(&stage.cluster, &action(text)).map(|undo| undo.to_string());
    for (done, undone_by) in [
        ("ban leader 60s", Some("unban all")),
        ("ban n1 60s", Some("unban n1")),
        ("setifacelink n1 eth1 down", Some("setifacelink n1 eth1 up")),
        ("setifacelink n1 eth1 up", None),
        ("addip n1 10.1.0.77/16 eth1", Some("delip n1 10.1.0.77")),
        ("delip n0 10.1.0.10", Some("addip n0 10.1.0.10/16 eth1")),
        ("delip all 10.1.0.10", None),
        ("set-tunable n1 NoIPFailback 0", Some("set-tunable n1 NoIPFailback 1")),
        ("disable n1 and stop-node n2", Some("continue n2 and enable n1")),
        ("recover n1 and stop-node n2", Some("continue n2")),
        ("recover n1 and ipreallocate n2", None),
        ("moveip 10.1.0.10 n1", None),
    ] {
        assert_eq!(undone(done).as_deref(), undone_by, "{done}");
    }
}

#[test]
fn healing_makes_every_node_as_configured() {
    let mut stage = Stage::new(&[]);
    stage.does("set-tunable n1 NoIPFailback 1 and write-addresses n1 none and disable n0");
    stage.pass(5);
    let before = stage.world.puppet_count();
    heal(&stage.cluster, &mut stage.world);
    let new = (before..stage.world.puppet_count()).map(|number| stage.world.puppet(PuppetId(number)));
    let said: Vec<String> = new.flat_map(|puppet| packets(puppet.host, &puppet.says)).collect();
    let count = |packet: &str| said.iter().filter(|said| said.contains(packet)).count();
    for (packet, times) in [
        ("SET_BAN_STATE", 3),
        ("CONTINUE_NODE", 3),
        ("ENABLE_NODE", 3),
        ("SET_IFACE_LINK_STATE", 3),
        ("RELOAD_PUBLIC_IPS", 3),
        ("n1: SET_TUNABLE", 1),
        ("SET_TUNABLE", 1),
        ("takeover-run", 1),
    ] {
        assert_eq!(count(packet), times, "{packet}: {said:?}");
    }
    assert!(stage.file(1).is_some());
    stage.pass(5);
    let tunables = |host| stage.world.host(HostId(host)).machine().map(|machine| &machine.config().tunables);
    assert_eq!(tunables(1), Some(stage.cluster.tunables()));
}

#[test]
fn healing_reaches_a_daemon_that_has_only_just_begun() {
    let mut stage = Stage::new(&[]);
    stage.pass(5);
    stage.does("start-as n1 stopped and start-as n2 disabled");
    stage.world.befall(&Fault::Restart(Who::All));
    let just_begun = |host| stage.world.host(HostId(host)).machine().is_some_and(|it| it.pnn().is_none());
    assert!(just_begun(1) && just_begun(2));
    heal(&stage.cluster, &mut stage.world);
    stage.pass(5);
    for host in [1, 2] {
        let flags = own_flags(&stage.world, HostId(host)).unwrap();
        assert!(!flags.intersects(NodeFlags::STOPPED | NodeFlags::PERMANENTLY_DISABLED), "{flags}");
    }
}

#[test]
fn a_second_public_interface_is_there_after_a_boot_too() {
    let mut stage = Stage::new(&[("public-interfaces", "2"), ("public", "1")]);
    assert_eq!(stage.file(0).as_deref(), Some("10.1.0.10/16 eth1,eth2\n"));
    let names = |stage: &Stage| -> Vec<String> {
        let kernel = &stage.world.host(HostId(0)).kernel;
        kernel.interfaces().iter().map(|interface| interface.name.clone()).collect()
    };
    assert_eq!(names(&stage), ["eth0", "eth1", "eth2"]);
    stage.world.befall(&Fault::PowerOff(Who::One(HostId(0))));
    stage.pass(1);
    stage.world.befall(&Fault::PowerOn(Who::One(HostId(0))));
    stage.pass(5);
    assert_eq!(names(&stage), ["eth0", "eth1", "eth2"]);
    assert!(stage.world.host(HostId(0)).kernel.promote_secondaries);
}
