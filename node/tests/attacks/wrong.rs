//! Files that are wrong: one line each that says where and what, before anything has begun.

use std::fs;

use standin_testbed::Said;

use super::namespace::{in_namespace, ip};
use super::site::Site;

/// What is wrong, how it is made so, and what is said about it. `BASE` is the base folder.
struct Wrong {
    what: &'static str,
    make: fn(&Site),
    said: &'static str,
}

const fn wrong(what: &'static str, make: fn(&Site), said: &'static str) -> Wrong {
    Wrong { what, make, said }
}

fn conf(site: &Site, text: &str) {
    site.write("ctdb.conf", text);
}

const WRONG: &[Wrong] = &[
    wrong(
        "a boolean",
        |site| conf(site, "[failover]\n  disabled = maybe\n"),
        "BASE/ctdb.conf:2:14: `maybe` is neither true nor false (expected ",
    ),
    wrong(
        "an address in ctdb.conf",
        |site| conf(site, "[cluster]\nnode address = 127.0.0.300\n"),
        "BASE/ctdb.conf:2:24: `300` in `127.0.0.300` is not part of an address (expected ",
    ),
    wrong(
        "a timeout",
        |site| conf(site, "[cluster]\nleader timeout = soon\n"),
        "BASE/ctdb.conf:2:18: `soon` is not a number (expected ",
    ),
    wrong(
        "a directory that is not there",
        |site| conf(site, "[database]\n\n state database directory = /nowhere/at/all\n"),
        "BASE/ctdb.conf:3:29: state database directory: /nowhere/at/all is no folder (expected one that is there)",
    ),
    wrong(
        "a node address that is no node's",
        |site| conf(site, "[cluster]\nnode address = 127.0.0.9\n"),
        "BASE/ctdb.conf:2:16: 127.0.0.9 is none of the nodes (expected an address of BASE/nodes)",
    ),
    wrong(
        "a node address that is not this host's",
        |site| {
            conf(site, "[cluster]\nnode address = 10.9.9.9\n");
            site.write("nodes", "10.9.9.9\n");
        },
        "BASE/ctdb.conf:2:16: 10.9.9.9 cannot be listened on (expected an address of this host)",
    ),
    wrong(
        "an address in nodes",
        |site| drop(site.write("nodes", "127.0.0.1\n127.0.0.x\n")),
        "BASE/nodes:2:1: `127.0.0.x` is a name, not an address (expected ",
    ),
    wrong(
        "a node twice",
        |site| drop(site.write("nodes", "127.0.0.1\n127.0.0.2\n127.0.0.1\n")),
        "BASE/nodes:3:1: `127.0.0.1` is the node of line 1 already (expected an address of its own for each node)",
    ),
    wrong(
        "no nodes",
        |site| fs::remove_file(site.base().join("nodes")).unwrap(),
        "BASE/nodes: No such file or directory (os error 2) (expected a file with the address of each node on a line)",
    ),
    wrong(
        "none of the nodes is here",
        |site| {
            conf(site, "");
            site.write("nodes", "10.9.9.1\n10.9.9.2\n");
        },
        "BASE/nodes: none of its addresses is ours (expected one of this host's)",
    ),
    wrong(
        "a mask",
        |site| drop(site.write("public_addresses", "192.168.100.1/33 lo\n")),
        "BASE/public_addresses:1:15: `33` network bits in an IPv4 address (expected 0 to 32)",
    ),
    wrong(
        "a public address twice",
        |site| drop(site.write("public_addresses", "# ours\n10.1.1.1/24 lo\n10.1.1.1/24 lo\n")),
        "BASE/public_addresses:3:1: `10.1.1.1` stands in line 2 already (expected ",
    ),
    wrong(
        "public addresses that are a folder",
        |site| {
            fs::remove_file(site.base().join("public_addresses")).unwrap();
            fs::create_dir(site.base().join("public_addresses")).unwrap();
        },
        "BASE/public_addresses: Is a directory (os error 21) (expected a file, or none)",
    ),
    wrong(
        "an interface that is not there",
        |site| drop(site.write("public_addresses", "10.1.1.1/24 lo\n 10.1.1.2/24  lo,eth77\n")),
        "BASE/public_addresses:2:18: no interface `eth77` (expected one of this host's)",
    ),
];

fn is_said(it: &Wrong, said: &Said, site: &Site) {
    let wanted = format!("standind: {}", it.said.replace("BASE", &site.base().display().to_string()));
    assert_eq!(said.status, 78, "{}: {}", it.what, said.err);
    assert!(said.err.starts_with(&wanted), "{}: wanted\n{wanted}\nand got\n{}", it.what, said.err);
    assert_eq!(said.err.lines().count(), 1, "{}: one line: {}", it.what, said.err);
    assert!(said.err.contains("(expected "), "{}", said.err);
}

#[test]
fn what_is_wrong_is_said_in_one_line_before_the_background() {
    in_namespace(|| {
        ip("link set lo up");
        for it in WRONG {
            for name in ["standind", "ctdbd"] {
                let mut site = Site::new();
                // Interfaces are looked at where they matter.
                site.test_mode = !it.said.contains("no interface");
                (it.make)(&site);
                let mut command = site.command(site.program(name));
                if name == "standind" {
                    command.arg("--foreground");
                }
                is_said(it, &command.output().unwrap().into(), &site);
                assert!(!site.base().join("run/ctdbd.pid").exists(), "{}: nothing is left", it.what);
            }
        }
    });
}

#[test]
fn a_version_that_is_none_and_a_base_that_is_none_are_said() {
    let site = Site::new();
    let mut command = site.command(env!("CARGO_BIN_EXE_standind"));
    let said =
        Said::from(command.arg("--foreground").env("CTDB_TEST_SAMBA_VERSION", "4.17").output().unwrap());
    let wanted = "standind: CTDB_TEST_SAMBA_VERSION: `4.17` is no version (expected a whole number, ";
    assert!(said.status == 78 && said.err.starts_with(wanted), "{said:?}");

    for (name, what) in [("nodes", "no folder"), ("nowhere", "No such file or directory (os error 2)")] {
        let base = site.base().join(name);
        let mut command = site.command(site.program("ctdbd"));
        let said = Said::from(command.arg("--base").arg(&base).output().unwrap());
        let expected = "expected the folder of ctdb.conf, nodes and public_addresses";
        let wanted = format!("standind: {}: {what} ({expected})\n", base.display());
        assert_eq!((said.status, said.err), (78, wanted));
    }
    assert!(!site.base().join("nowhere").exists());
}

#[test]
fn all_that_is_wrong_is_said_in_one_go() {
    let site = Site::new();
    conf(&site, "[cluster]\nleader timeout = x\nnode address = y\n[failover]\ndisabled = z\n");
    site.write("nodes", "a.b\n127.0.0.1 2\n");
    site.write("public_addresses", "10.0.0.1 lo\n");
    let said = site.refusal();
    assert_eq!(said.status, 78);
    let files: Vec<_> =
        said.err.lines().filter_map(|line| line.split(':').nth(1)?.rsplit('/').next()).collect();
    assert_eq!(
        files,
        ["ctdb.conf", "ctdb.conf", "ctdb.conf", "nodes", "nodes", "public_addresses"],
        "{}",
        said.err
    );
}

#[test]
fn a_log_that_cannot_be_opened_is_said_before_the_background() {
    in_namespace(|| {
        ip("link set lo up");
        let site = Site::new();
        conf(&site, "[logging]\nlocation = file:/nowhere/log\n[cluster]\nnode address = 127.0.0.1\n");
        let said = Said::from(site.command(site.program("ctdbd")).output().unwrap());
        let wanted =
            "standind: /nowhere/log: No such file or directory (os error 2) (expected a file to log to)\n";
        assert_eq!((said.status, said.err.as_str()), (78, wanted));
    });
}

#[test]
fn it_says_its_own_name() {
    let said = std::process::Command::new(env!("CARGO_BIN_EXE_standind")).arg("--version").output();
    let said = String::from_utf8(said.expect("it runs").stdout).unwrap_or_default();
    assert_eq!(said, concat!("standind ", env!("CARGO_PKG_VERSION"), "\n"));
}
