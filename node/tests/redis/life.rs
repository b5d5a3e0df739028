//! Beginnings and ends: files that are wrong, second daemons, ports that are taken, signals.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use standin_testbed::Said;

use super::cluster::{Cluster, able};

fn standind(arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standind"));
    command.args(arguments).stdin(Stdio::null()).output().expect("it runs").into()
}

#[test]
fn the_template_is_printed_and_taken() {
    let said = standind(&["--gossip-template"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    assert!(said.out.contains("\nnode-timeout = \"15s\"\n"), "{}", said.out);
    assert_eq!(standind(&["--gossip-template", "--strict"]).status, 64);
    assert_eq!(standind(&["--gossip", "x.toml", "--base", "/x"]).status, 64);
}

#[test]
fn a_wrong_file_is_told_and_nothing_begins() {
    let folder = std::env::temp_dir().join(format!("standin-wrong-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("w.toml");
    fs::write(&file, "prot = 6379\nnode-timeout = 15000\n").expect("a file");
    let said = standind(&["--gossip", &file.display().to_string()]);
    assert_eq!(said.status, 78, "{said:?}");
    let at = file.display();
    for line in [
        &format!("standind: {at}:1:1: `prot` is no option"),
        "standind:     = did you mean `port`?",
        &format!("standind: {at}:2:16: `15000` has no unit"),
    ] {
        assert!(said.err.contains(line), "{line}\n{}", said.err);
    }
    assert!(!folder.join("nodes.conf").exists());
    fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn a_state_file_has_one_daemon_and_a_wrong_one_none() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("second");
    let at = cluster.standin("");
    let dir = cluster.dir(at);
    let toml = dir.join("standin.toml").display().to_string();
    let id = cluster.id(at);
    cluster.tell(at, "CLUSTER SAVECONFIG");
    let said = standind(&["--gossip", &toml]);
    assert_eq!(said.status, 78, "{said:?}");
    let pid = cluster.pid(at).expect("it runs");
    assert!(said.err.contains(&format!("process {pid} holds the state file")), "{}", said.err);
    // A redis-server of the same file keeps out too, and we of one of its.
    let conf = dir.join("redis.conf");
    fs::write(&conf, format!("port 7999\ncluster-enabled yes\ndir {}\n", dir.display())).expect("a file");
    let theirs = Command::new("timeout").args(["20", "redis-server"]).arg(&conf).output().expect("it runs");
    let theirs = Said::from(theirs);
    assert!(
        theirs.status == 1 && theirs.out.contains("already used by a different Redis Cluster node"),
        "{theirs:?}"
    );
    assert_eq!(cluster.id(at), id);
    let real = cluster.redis();
    let other = dir.join("other.toml");
    fs::write(&other, format!("dir = \"{}\"\n", cluster.dir(real).display())).expect("a file");
    let said = standind(&["--gossip", &other.display().to_string()]);
    assert!(said.status == 78 && said.err.contains("holds the state file"), "{said:?}");

    // Ended, its file is somebody else's to take: the same node.
    assert_eq!(cluster.stop(at).code(), Some(0));
    cluster.start(at);
    assert_eq!(cluster.id(at), id);
    assert_eq!(cluster.stop(at).code(), Some(0));
    let mut text = fs::read_to_string(dir.join("nodes.conf")).expect("it was saved");
    text.push_str("nonsense\n");
    fs::write(dir.join("nodes.conf"), text).expect("it is ours");
    cluster.spawn(at);
    assert_eq!(cluster.ended(at).code(), Some(78), "{}", cluster.log(at));
    assert!(cluster.log(at).contains("cannot start: state file, line 3"), "{}", cluster.log(at));
}

#[test]
fn a_port_that_is_taken_is_told() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("port");
    let at = cluster.standin("");
    assert_eq!(cluster.stop(at).code(), Some(0));
    let taken = cluster.host(at).within(|| TcpListener::bind("0.0.0.0:16379").expect("it is free"));
    cluster.spawn(at);
    assert_eq!(cluster.ended(at).code(), Some(78), "{}", cluster.log(at));
    assert!(cluster.log(at).contains("cannot start: port 16379: address-in-use"), "{}", cluster.log(at));
    drop(taken);
    cluster.start(at);
}

#[test]
fn signals_end_it_in_order_and_a_hangup_does_not() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("signals");
    let at = cluster.standin("");
    let id = cluster.id(at);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        cluster.signal(at, Signal::SIGHUP);
        cluster.wait("it is told", |it| it.log(at).contains("SIGHUP"));
        assert_eq!(cluster.id(at), id);
        cluster.signal(at, signal);
        assert_eq!(cluster.ended(at).code(), Some(0), "{}", cluster.log(at));
        let saved = fs::read_to_string(cluster.dir(at).join("nodes.conf")).expect("it is saved");
        assert!(saved.contains(&id) && saved.contains("vars currentEpoch"), "{saved}");
        cluster.start(at);
    }
}

#[test]
fn a_log_can_be_json() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("json");
    let at = cluster.standin("");
    assert_eq!(cluster.stop(at).code(), Some(0));
    let toml = cluster.dir(at).join("standin.toml").display().to_string();
    let mut child = cluster.host(at).within(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_standind"));
        command.args(["--gossip", &toml, "--log", "json"]).stdin(Stdio::null());
        command.stderr(Stdio::piped()).spawn().expect("it starts")
    });
    cluster.wait("it answers", |it| it.ask(at, "PING").is_some());
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, Signal::SIGTERM).expect("it runs");
    assert_eq!(child.wait().expect("it is ours").code(), Some(0));
    let log = std::io::read_to_string(child.stderr.take().expect("piped")).expect("text");
    let line = log.lines().find(|line| line.contains("\"listening\"")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.starts_with('{') && line.ends_with('}') && line.contains("\"level\":\"INFO\""), "{line}");
}

#[test]
fn a_state_that_cannot_be_saved_silences_a_node_until_it_can() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("full");
    let at = cluster.standin("dir = \"state\"");
    let state = cluster.dir(at).join("state");
    let aside = cluster.dir(at).join("aside");
    let id = cluster.id(at);
    fs::rename(&state, &aside).expect("it is ours");
    // A promise that is not durable is not made: nothing is said after it.
    let address = cluster.address(at);
    let promised = std::thread::spawn(move || super::ask::ask(&address, "CLUSTER BUMPEPOCH"));
    cluster.wait("it is told", |it| it.log(at).contains("save-failed"));
    assert_eq!(promised.join().expect("it waits in vain"), None);
    assert_eq!(cluster.ask(at, "PING"), None);
    fs::rename(&aside, &state).expect("it is ours");
    cluster.wait("it speaks again", |it| it.ask(at, "PING").is_some());
    assert!(cluster.log(at).contains("save-recovered"), "{}", cluster.log(at));
    let saved = fs::read_to_string(state.join("nodes.conf")).expect("it is saved");
    assert!(saved.contains(&id) && saved.contains("currentEpoch 1"), "{saved}");
    assert_eq!(cluster.stop(at).code(), Some(0));
}

#[test]
fn idle_clients_do_not_silence_a_node() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("idle");
    let at = cluster.standin("dir = \"state\"");
    let limit = format!("prlimit --pid {} --nofile=128:128", cluster.pid(at).expect("it runs"));
    let limited = Command::new("sh").args(["-c", &limit]).status().expect("a shell");
    assert!(limited.success(), "{limit}");
    let address: std::net::SocketAddr = cluster.address(at).parse().expect("an address");
    let mut asks = TcpStream::connect(address).expect("it listens");
    let idle: Vec<_> = (0..300).map(|_| TcpStream::connect(address).expect("it listens")).collect();
    cluster.wait("it is told", |it| it.log(at).contains("too many open files: new connections are closed"));
    // A promise that is saved in a file.
    asks.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    asks.write_all(b"CLUSTER BUMPEPOCH\r\n").expect("it reads");
    let mut answer = [0; 7];
    asks.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"+BUMPED");
    assert!(!cluster.log(at).contains("save-failed"), "{}", cluster.log(at));
    drop(idle);
    cluster.wait("it takes new clients", |it| it.ask(at, "PING").as_deref() == Some("PONG"));
    // Who says no more behind his question is answered.
    for _ in 0..20 {
        let mut asks = TcpStream::connect(address).expect("it listens");
        asks.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        asks.write_all(b"PING\r\n").expect("it reads");
        asks.shutdown(Shutdown::Write).expect("half of it");
        let mut answer = String::new();
        asks.read_to_string(&mut answer).expect("it answers");
        assert_eq!(answer, "+PONG\r\n");
    }
}

#[test]
fn what_the_tool_sets_is_kept_in_the_file_and_over_a_restart() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("kept");
    let mut all = cluster.redises(2);
    let standin = cluster.standin("# said by us\nrequire-full-coverage = true # here");
    all.push(standin);
    cluster.create(&all, 0);
    let said = cluster.tool(&format!("set-timeout {} 3500", cluster.address(0)));
    assert!(said.contains("New node timeout set. 3 OK, 0 ERR."), "{said}");
    let file = cluster.dir(standin).join("standin.toml");
    let text = || fs::read_to_string(&file).expect("it is there");
    let told = "node-timeout = \"3500ms\"\n# said by us\nrequire-full-coverage = true # here\n";
    assert_eq!(text(), told);
    cluster.tell(standin, "CONFIG SET cluster-require-full-coverage no cluster-replica-validity-factor 3");
    cluster.tell(standin, "CONFIG REWRITE");
    let told = told.replace("true # here", "false # here") + "replica-validity-factor = 3\n";
    assert_eq!(text(), told);
    assert_eq!(cluster.stop(standin).code(), Some(0));
    cluster.start(standin);
    let is = |name: &str| cluster.ask(standin, &format!("CONFIG GET {name}")).unwrap_or_default();
    assert_eq!(is("cluster-node-timeout"), "cluster-node-timeout\n3500");
    assert_eq!(is("cluster-require-full-coverage"), "cluster-require-full-coverage\nno");

    let refused = |why: &str| {
        let said = cluster.ask(standin, "CONFIG REWRITE").unwrap_or_default();
        assert!(said.starts_with(&format!("-ERR Rewriting config file: {why}")), "{said}");
    };
    // A value that no file may have; a file that is none; none at all.
    cluster.tell(standin, "CONFIG SET cluster-node-timeout 1");
    refused("cluster-node-timeout cannot be 1ms: `1ms` is too short, expected a duration from");
    assert_eq!(text(), told);
    cluster.tell(standin, "CONFIG SET cluster-node-timeout 4000");
    fs::write(&file, "port = \n").expect("it is ours");
    refused("1:8: ");
    assert_eq!(text(), "port = \n");
    fs::remove_file(&file).expect("it is ours");
    refused("No such file or directory");
    fs::write(&file, told).expect("it is ours");
    // The new one cannot be made beside it.
    fs::create_dir(file.with_extension("toml.standind-new")).expect("a folder");
    refused("input/output error");
}
