//! In clusters whose bus speaks TLS.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use standin_testbed::Said;

use super::cluster::{Cluster, LONG, able};

/// An authority's certificate, and one that it signed with its key, as files of this name.
fn sign(folder: &Path, name: &str) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, format!("authority of {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![format!("{name}.example.org")]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, &authority).unwrap();
    for (end, text) in [("ca", authority.pem()), ("crt", certificate.pem()), ("key", key.serialize_pem())] {
        fs::write(folder.join(format!("{name}.{end}")), text).unwrap();
    }
}

/// What makes a real node speak TLS.
fn theirs(folder: &Path, conf: String) -> String {
    let at = folder.display();
    format!(
        "{conf}tls-port 6380\ntls-cluster yes\ntls-cert-file {at}/node.crt\ntls-key-file {at}/node.key\n\
         tls-ca-cert-file {at}/node.ca\n"
    )
}

/// And what makes one of ours.
fn ours(folder: &Path, name: &str) -> String {
    let at = folder.display();
    format!(
        "tls-port = 6380\ntls-cluster = true\ntls-cert-file = \"{at}/{name}.crt\"\n\
         tls-key-file = \"{at}/{name}.key\"\ntls-ca-cert-file = \"{at}/node.ca\""
    )
}

/// Redis' tool on a node's TLS port, with a certificate.
fn cli(cluster: &Cluster, at: usize, name: &str, line: &str) -> Said {
    let folder = cluster.folder();
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    let mut command = Command::new("timeout");
    command.arg(LONG.as_secs().to_string()).args(["redis-cli", "--tls", "-p", "6380", "-h", cluster.ip(at)]);
    command.arg("--cert").arg(file("crt")).arg("--key").arg(file("key"));
    command.arg("--cacert").arg(folder.join("node.ca")).args(line.split_whitespace());
    command.stdin(Stdio::null()).output().expect("redis-cli runs").into()
}

#[test]
fn a_witness_is_a_member_of_a_cluster_whose_bus_speaks_tls() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("tls");
    let folder = cluster.folder().to_owned();
    sign(&folder, "node");
    sign(&folder, "other");
    let mut all: Vec<usize> = (0..3).map(|_| cluster.redis_with(|conf| theirs(&folder, conf))).collect();
    let hosts: Vec<String> = all.iter().map(|&at| format!("{}:6380", cluster.ip(at))).collect();
    let made = cli(&cluster, 0, "node", &format!("--cluster create {} --cluster-yes", hosts.join(" ")));
    assert!(made.out.contains("[OK] All 16384 slots covered."), "{made:?}");
    cluster.wait_well(&all);
    let witness = cluster.standin(&ours(&folder, "node"));
    all.push(witness);
    let (new, old) = (cluster.ip(witness), cluster.ip(0));
    let added = cli(&cluster, 0, "node", &format!("--cluster add-node {new}:6380 {old}:6380"));
    assert!(added.out.contains("[OK] New node added correctly."), "{added:?}");
    cluster.wait_well(&all);
    cluster.reshard(0, witness, 1);
    cluster.wait("the tool finds nothing wrong", |it| it.checks(0) && it.checks(witness));

    // Who speaks TLS is told the ports that do, who speaks none the others.
    let slot = cluster.seen(0, witness).expect("it is known").slots[0].clone();
    for by in [0, witness] {
        let nodes = cli(&cluster, by, "node", "cluster nodes").out;
        for &of in &all {
            assert!(nodes.contains(&format!("{}:6380@16380", cluster.ip(of))), "{nodes}");
        }
        assert_eq!(cli(&cluster, by, "node", "cluster shards").out.matches("tls-port").count(), 4);
        let check = cli(&cluster, by, "node", &format!("--cluster check {}:6380", cluster.ip(by)));
        assert!(check.out.contains("[OK] All 16384 slots covered."), "{check:?}");
    }
    let key = (0..).map(|n| format!("k{n}")).find(|key| {
        let at = cluster.ask(0, &format!("CLUSTER KEYSLOT {key}")).unwrap();
        at != slot
            && cluster.seen(0, 1).is_some_and(|line| {
                let (first, last) = line.slots[0].split_once('-').unwrap();
                (first.parse().unwrap()..=last.parse::<u32>().unwrap()).contains(&at.parse().unwrap())
            })
    });
    let get = format!("GET {}", key.unwrap());
    assert!(cli(&cluster, witness, "node", &get).out.contains(&format!("{}:6380", cluster.ip(1))));
    assert!(cluster.ask(witness, &get).unwrap().ends_with(&cluster.address(1)));

    // It comes back, and hears of a death.
    cluster.kill(witness);
    cluster.start(witness);
    cluster.wait_well(&all);
    cluster.kill(2);
    let failed = |it: &Cluster, by| it.seen(by, 2).is_some_and(|line| line.has("fail"));
    cluster.wait("everybody knows", |it| [0, 1, witness].iter().all(|&by| failed(it, by)));
    cluster.start(2);
    cluster.wait_well(&all);
}

#[test]
fn who_has_no_certificate_of_the_authority_is_not_let_in() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("tls-stranger");
    let folder = cluster.folder().to_owned();
    sign(&folder, "node");
    sign(&folder, "other");
    let real = cluster.redis_with(|conf| theirs(&folder, conf));
    let member = cluster.standin(&ours(&folder, "node"));
    cluster.tell(member, &format!("CLUSTER MEET {} 6380", cluster.ip(real)));
    cluster.wait("they know each other", |it| it.meshed(&[real, member]));
    // Its certificate is another authority's.
    let stranger = cluster.standin(&ours(&folder, "other"));
    for of in [real, member] {
        cluster.tell(stranger, &format!("CLUSTER MEET {} 6380", cluster.ip(of)));
    }
    cluster.wait("it is told", |it| {
        it.log(stranger).contains("TLS breaks off") && it.log(member).contains("who dialled us")
    });
    // No TLS at all; and a client without the right certificate.
    let plain = cluster.standin("");
    cluster.tell(plain, &format!("CLUSTER MEET {} 6380", cluster.ip(member)));
    let said = cli(&cluster, member, "other", "ping");
    assert!(said.status != 0 && !said.out.contains("PONG"), "{said:?}");
    assert_eq!(cli(&cluster, member, "node", "ping").out, "PONG\n");
    std::thread::sleep(super::cluster::NODE_TIMEOUT * 2);
    assert!(cluster.meshed(&[real, member]), "nobody else is in\n{}", cluster.told());
}

#[test]
fn who_never_shows_himself_keeps_nobody_out_for_long() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("tls-silent");
    let folder = cluster.folder().to_owned();
    sign(&folder, "node");
    let member = cluster.standin(&ours(&folder, "node"));
    let at = format!("{}:16380", cluster.ip(member));
    let silent: Vec<TcpStream> = (0..600).map(|_| TcpStream::connect(&at).unwrap()).collect();
    cluster.wait("those beyond a number are closed", |it| it.log(member).contains("too many TLS handshakes"));
    assert_eq!(cli(&cluster, member, "node", "ping").out, "PONG\n", "clients have a port of their own");
    // Its handshakes end after ten seconds, with the silent ones still there.
    let real = cluster.redis_with(|conf| theirs(&folder, conf));
    cluster.tell(real, &format!("CLUSTER MEET {} 6380", cluster.ip(member)));
    cluster.wait("somebody with a certificate comes in", |it| {
        let known = it.meshed(&[real, member]);
        if !known {
            it.tell(real, &format!("CLUSTER MEET {} 6380", it.ip(member)));
            std::thread::sleep(super::cluster::NODE_TIMEOUT);
        }
        known
    });
    drop(silent);
}

#[test]
fn a_hangup_has_new_connections_see_the_certificates_as_they_are_then() {
    if !able() {
        return;
    }
    let mut cluster = Cluster::new("tls-renewed");
    let folder = cluster.folder().to_owned();
    sign(&folder, "node");
    let old = folder.join("old.ca");
    let real = cluster.redis_with(|conf| theirs(&folder, conf));
    let member = cluster.standin(&ours(&folder, "node"));
    cluster.tell(member, &format!("CLUSTER MEET {} 6380", cluster.ip(real)));
    cluster.wait("they know each other", |it| it.meshed(&[real, member]));

    // Half of a new pair: neither is taken, and the old ones serve on.
    let key = fs::read(folder.join("node.key")).unwrap();
    sign(&folder, "other");
    fs::copy(folder.join("other.key"), folder.join("node.key")).unwrap();
    cluster.signal(member, Signal::SIGHUP);
    cluster.wait("it is told", |it| {
        let log = it.log(member);
        let mut lines = log.lines();
        lines.any(|line| line.contains("ERROR") && line.contains("node.key") && line.contains("stay in use"))
    });
    fs::write(folder.join("node.key"), key).unwrap();
    assert_eq!(cli(&cluster, member, "node", "ping").out, "PONG\n", "the old ones are in use");

    // Another authority signs another certificate: who comes with the old one is a stranger now.
    fs::copy(folder.join("node.ca"), &old).unwrap();
    ["crt", "key"].iter().for_each(|end| {
        fs::copy(folder.join(format!("node.{end}")), folder.join(format!("old.{end}"))).unwrap();
    });
    sign(&folder, "node");
    cluster.signal(member, Signal::SIGHUP);
    cluster.wait("it is told", |it| it.log(member).contains("new connections have the certificates"));
    assert_eq!(cli(&cluster, member, "node", "ping").out, "PONG\n");
    assert!(!cli(&cluster, member, "old", "ping").out.contains("PONG"));
    std::thread::sleep(super::cluster::NODE_TIMEOUT);
    assert!(cluster.meshed(&[real, member]), "links that stand go on\n{}", cluster.told());

    // A node that has the new ones is a member, by links in both directions.
    let new = cluster.redis_with(|conf| theirs(&folder, conf));
    cluster.tell(new, &format!("CLUSTER MEET {} 6380", cluster.ip(member)));
    let linked = |it: &Cluster, by, of| it.seen(by, of).is_some_and(|line| line.connected);
    cluster.wait("both have a link", |it| linked(it, new, member) && linked(it, member, new));
}
