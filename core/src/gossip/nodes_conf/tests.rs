//! Files as Redis writes them, and as it never would.

use super::*;
use crate::bytes::check::few;
use crate::gossip::slots::SLOTS;
use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;

fn id(letter: char) -> String {
    String::from(letter).repeat(40)
}

/// A file, with `%a` for the id of that letter.
fn file(text: &str) -> String {
    ['a', 'b', 'c']
        .iter()
        .fold(text.into(), |text: String, &letter| text.replace(&format!("%{letter}"), &id(letter)))
}

fn parsed(text: &str) -> NodesConf {
    let text = file(text);
    NodesConf::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{}", problems.render("f", &text)))
}

#[test]
fn a_line_says_everything_of_a_node() {
    let text = "\
%a 127.0.0.1:7000@17000,host-a myself,master - 0 1795334984000 2 connected 0-5460 7000 [99->-%b] [7001-<-%b] [7002->-%b]
%b fd00::2:7001@17001 master,fail?,nofailover - 1795334985696 1795334985496 3 disconnected 7001
%c :7002@17002,,shard-id=07c3,x slave,noaddr %a 0 0 2 connected
vars currentEpoch 6 lastVoteEpoch 5
";
    let conf = parsed(text);
    assert_eq!(conf.print(), file(text));
    let [a, b, c] = &conf.nodes[..] else { panic!("{conf:?}") };
    assert_eq!(conf.myself(), Some(a));
    assert_eq!((a.port, a.bus_port, a.hostname.as_deref()), (7000, 17000, Some("host-a")));
    assert_eq!(
        (a.slots.ranges(), &a.migrating, &a.importing),
        (&[(0, 5460), (7000, 7000)][..], &vec![(99, b.id), (7002, b.id)], &vec![(7001, b.id)])
    );
    assert_eq!((b.ip, b.connected, b.own_epoch()), (Some("fd00::2".parse().unwrap()), false, Epoch(3)));
    assert_eq!(b.flags, NodeFlags::MASTER | NodeFlags::PFAIL | NodeFlags::NOFAILOVER);
    assert_eq!((b.ping_sent, b.pong_received), (1_795_334_985_696, 1_795_334_985_496));
    assert_eq!((c.ip, c.master, c.epoch, c.own_epoch()), (None, Some(a.id), Epoch(2), Epoch(0)));
    assert_eq!((c.hostname.as_ref(), c.aux.len()), (None, 2));
    assert_eq!((conf.current_epoch, conf.last_vote_epoch), (Epoch(6), Epoch(5)));
}

#[test]
fn what_redis_is_lenient_about_is_read() {
    let conf =
        parsed("\n\n%a :7000 MySelf,noflags,master - 0 0 0 connected\nVARS currentepoch 6 colour blue\n\n\n");
    assert_eq!(
        (conf.nodes[0].bus_port, conf.current_epoch, conf.last_vote_epoch),
        (17000, Epoch(6), Epoch(0))
    );
    assert_eq!(
        conf.print(),
        file(
            "%a :7000@17000 myself,master - 0 0 0 connected\nvars currentEpoch 6 lastVoteEpoch 0 colour blue\n"
        )
    );
    assert_eq!(parsed("%a :0@0 myself,slave - 0 0 0 connected").nodes.len(), 1);
}

#[test]
fn all_that_is_wrong_is_told_in_one_go() {
    let text = "\
a 127.0.0.1:7000@17000 myself,master - 0 0 1 connected
bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 127.0.0.1:7001@17001 master,fial - 0 0 1 connected
cccccccccccccccccccccccccccccccccccccccc :7002@17002 myself,slave dddddddddddddddddddddddddddddddddddddddd 0 0 1 connected 5 16384
vars currentEpoch
";
    let expected = "\
nodes.conf:1:1: `a` is not a node's id
  1 | a 127.0.0.1:7000@17000 myself,master - 0 0 1 connected
    | ^
    = expected 40 characters, lowercase letters and digits

nodes.conf:2:70: `fial` is not a flag
  2 | bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 127.0.0.1:7001@17001 master,fial - 0 0 1 connected
    |                                                                      ^^^^
    = expected myself, master, slave, fail?, fail, handshake, noaddr, nofailover, noflags
    = did you mean `fail`?

nodes.conf:3:126: there is no slot `16384`
  3 | …ddddddddddd 0 0 1 connected 5 16384
    |                                ^^^^^
    = expected `7`, `0-5460`, `[7->-ID]` or `[7-<-ID]`, slots from 0 to 16383

nodes.conf:4:18: `currentEpoch` has no value
  4 | vars currentEpoch
    |                  ^
    = expected a value behind each name
";
    assert_eq!(NodesConf::parse(text.as_bytes()).unwrap_err().render("nodes.conf", text), expected);
}

#[test]
fn each_mistake_has_its_own_words() {
    let with = |what: &str| format!("%a :1@2 myself,master - 0 0 1 connected\n%b {what}\n");
    for (text, first) in [
        ("".into(), "1:1: no node is `myself`"),
        ("vars currentEpoch x".into(), "1:19: `x` is not a number"),
        ("%a :1@2 myself,master - 0 0 1".into(), "1:68: 7 fields of 8 are there"),
        (with(":1@2 master - 0 0 1 conected"), "2:62: `conected` is no state of a link"),
        (with("10.0.0.1 master - 0 0 1 connected"), "2:42: `10.0.0.1` has no port"),
        (with("host:7000@17000 master - 0 0 1 connected"), "2:42: `host` is not an IP address"),
        (with(":70000@1 master - 0 0 1 connected"), "2:43: `70000` is not a port"),
        (with(":1@ master - 0 0 1 connected"), "2:45: `` is not a number"),
        (with(":60000 master - 0 0 1 connected"), "2:43: the bus of `60000` would be beyond 65535"),
        (with(":1@2,a_b master - 0 0 1 connected"), "2:47: `a_b` is not a hostname"),
        ("%a :1@2 myself - 0 0 1 connected".into(), "1:47: `myself` is not one of the two roles"),
        (with(":1@2 master,slave - 0 0 1 connected"), "2:47: `master,slave` is not one of the two roles"),
        (with(":1@2 myself,slave - 0 0 1 connected"), "2:47: the node of line 1 is `myself` already"),
        (with(":1@2 slave %b 0 0 1 connected"), "2:53: the node is its own master"),
        (
            with(":1@2 slave %c 0 0 1 connected"),
            "2:53: `cccccccccccccccccccccccccccccccccccccccc` has no line",
        ),
        (with(":1@2 slave x 0 0 1 connected"), "2:53: `x` is not a node's id"),
        (with(":1@2 master - -1 0 1 connected"), "2:56: `-1` is not a number"),
        (
            with(":1@2 master - 0 0 18446744073709551616 connected"),
            "2:60: `18446744073709551616` is not a number",
        ),
        (with(":1@2 master - 0 0 1 connected 7 7-8"), "2:74: slot 7 is served by the node of line 2 already"),
        (with(":1@2 master - 0 0 1 connected 8-7"), "2:72: 8 is greater than 7"),
        (with(":1@2 master - 0 0 1 connected 8-"), "2:74: `` is not a number"),
        (with(":1@2 master - 0 0 1 connected [7"), "2:72: `[7` is not slots"),
        (
            with(":1@2 master - 0 0 1 connected [7-=-%a]"),
            "2:72: `[7-=-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` is not slots",
        ),
        (
            with(":1@2 master - 0 0 1 connected [7->-%c]"),
            "2:77: `cccccccccccccccccccccccccccccccccccccccc` has no line",
        ),
        (with(":1@2 master - 0 0 1 connected [7->-%a] [7->-%a]"), "2:120: slot 7 moves twice"),
        (
            "%a :1@2 myself,master - 0 0 1 connected\n%a :1@2 master - 0 0 1 connected".into(),
            "2:1: this is the node of line 1 already",
        ),
    ] {
        let text = file(&text);
        let problems = NodesConf::parse(text.as_bytes()).unwrap_err();
        assert!(problems.to_string().starts_with(&format!("{first} (")), "{text}\n{problems}");
    }
    let large = "\n".repeat(FILE_BYTES_MAX + 1);
    assert!(NodesConf::parse(large.as_bytes()).unwrap_err().to_string().starts_with("1:1: the file has"));
}

fn any_id() -> impl Strategy<Value = NodeId> {
    "[0-9a-f]{40}".prop_map(|text| NodeId::new(text.as_bytes()).unwrap())
}

prop_compose! {
    /// A node but for what ties it to others.
    fn any_line()(
        id in any_id(),
        role in proptest::option::of(any::<bool>()),
        (ip, port, bus_port) in any::<(Option<IpAddr>, u16, u16)>(),
        hostname in proptest::option::of("[A-Za-z0-9.-]{1,20}"),
        aux in proptest::collection::vec("[a-z-]{1,5}=[a-z0-9]{0,5}", 0..3),
        flags in any::<u16>(),
        (ping_sent, pong_received, epoch, connected) in any::<(u64, u64, u64, bool)>(),
    ) -> Line {
        let known = NodeFlags::WORDS.iter().fold(NodeFlags::empty(), |all, &(flag, _)| all | flag);
        let roles = NodeFlags::MASTER | NodeFlags::REPLICA;
        let role = match role {
            Some(true) => NodeFlags::MASTER,
            Some(false) => NodeFlags::REPLICA,
            None => NodeFlags::empty(),
        };
        Line {
            id, ip, port, bus_port,
            hostname: hostname.map(Into::into),
            aux: aux.into_iter().map(Into::into).collect(),
            flags: ((NodeFlags::from_bits_retain(flags) & known) - roles - NodeFlags::MYSELF) | role,
            master: None,
            ping_sent, pong_received, epoch: Epoch(epoch), connected,
            slots: SlotSet::new(), migrating: vec![], importing: vec![],
        }
    }
}

prop_compose! {
    fn any_conf()(
        mut nodes in proptest::collection::vec(any_line(), 1..5),
        owned in proptest::collection::vec((0..SLOTS, 0..4_usize), 0..40),
        moves in proptest::collection::btree_map(0..SLOTS, (any::<bool>(), 0..4_usize), 0..6),
        masters in proptest::collection::vec(proptest::option::of(0..4_usize), 4),
        (current, vote) in any::<(u64, u64)>(),
        vars in proptest::collection::vec(("[a-z]{1,8}", "[a-z0-9]{1,8}"), 0..3),
    ) -> NodesConf {
        let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
        let count = nodes.len();
        nodes[0].flags |= NodeFlags::MYSELF;
        if !nodes[0].flags.contains(NodeFlags::REPLICA) {
            nodes[0].flags |= NodeFlags::MASTER;
        }
        let mut taken = SlotSet::new();
        for (slot, owner) in owned {
            if !taken.contains(slot) {
                taken.insert(slot);
                nodes[owner % count].slots.insert(slot);
            }
        }
        for (slot, (leaves, other)) in moves {
            let moves = if leaves { &mut nodes[0].migrating } else { &mut nodes[0].importing };
            moves.push((slot, ids[other % count]));
        }
        for (at, master) in masters.into_iter().enumerate().take(count) {
            nodes[at].master = master.map(|of| of % count).filter(|&of| of != at).map(|of| ids[of]);
        }
        let unknown_vars = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        NodesConf { nodes, current_epoch: Epoch(current), last_vote_epoch: Epoch(vote), unknown_vars }
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn files_read_back_as_printed(conf in any_conf(), padding in "\n{0,9}") {
        let text = conf.print() + &padding;
        prop_assert_eq!(NodesConf::parse(text.as_bytes()), Ok(conf));
    }

    #[test]
    fn no_file_breaks_the_reading(conf in any_conf(), changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6), cut: usize) {
        let mut file = conf.print().into_bytes();
        for (place, byte) in changes {
            let place = place % file.len();
            file[place] = byte;
        }
        file.truncate(file.len() - cut % 40);
        if let Err(problems) = NodesConf::parse(&file) {
            prop_assert!(!problems.render("nodes.conf", &file).is_empty());
        }
    }

    #[test]
    fn no_likely_line_breaks_the_reading(text in "(vars|[a-z0-9]{40})( [0-9:@,.\\[\\]<>-]{0,12}| (myself|master|-)|\n){0,12}") {
        let _ = NodesConf::parse(text.as_bytes()).map_err(|problems| problems.render("nodes.conf", &text));
    }
}
