//! Outside of test mode: an address that somebody else has already, and scripts that take it away.

use std::process::{Child, Command};

use super::after::is_well;
use super::namespace::{cable, in_namespace, ip, shown, wait_until};
use super::site::Site;

/// A host at the other end of the cable, with an address. Ended on drop.
struct Neighbour(Child);

impl Neighbour {
    fn with(address: &str) -> Self {
        let child = Command::new("unshare").args(["--net", "sleep", "120"]).spawn().expect("unshare runs");
        let neighbour = Self(child);
        let ours = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let path = format!("/proc/{}/ns/net", neighbour.0.id());
        wait_until("a network of its own", || std::fs::read_link(&path).is_ok_and(|theirs| theirs != ours));
        ip(&format!("link set right netns {}", neighbour.0.id()));
        neighbour.ip("link set right address 02:00:00:00:09:09 up");
        neighbour.ip(&format!("addr add {address} dev right"));
        neighbour
    }

    fn ip(&self, line: &str) {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.0.id().to_string(), "ip"]).args(line.split_whitespace());
        assert!(command.status().expect("nsenter runs").success(), "ip {line}");
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn for_real() -> Site {
    ip("link set lo up");
    cable();
    let mut site = Site::alone();
    site.test_mode = false;
    site.write("public_addresses", "10.0.0.9/24 left\n");
    site.write("ctdb.conf", "[cluster]\nnode address = 127.0.0.1\nleader timeout = 2\n");
    site.write("ctdb.tunables", "MonitorInterval=1\nRerecoveryTimeout=1\nElectionTimeout=1\n");
    site
}

#[test]
fn who_has_our_address_already_is_named() {
    in_namespace(|| {
        let site = for_real();
        let neighbour = Neighbour::with("10.0.0.9/24");
        let daemon = site.start();
        wait_until("it takes the address", || shown("left") == ["10.0.0.9/24"]);
        let warned = || site.log().matches("ANOTHER HOST ANSWERS").count();
        wait_until("a warning", || warned() > 0);
        let log = site.log();
        let line = log.lines().find(|line| line.contains("ANOTHER HOST ANSWERS")).unwrap();
        for word in ["WARN", "10.0.0.9", "02:00:00:00:09:09", "left"] {
            assert!(line.contains(word), "{line}");
        }
        // It goes on to say so, which is no more news.
        neighbour.ip("link set right down");
        neighbour.ip("link set right up");
        neighbour.ip("addr del 10.0.0.9/24 dev right");
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert_eq!(warned(), 1, "{log}");
        is_well(&daemon, 64 * 1024);
    });
}

#[test]
fn an_address_that_a_script_takes_away_again_is_put_back() {
    in_namespace(|| {
        let site = for_real();
        let mark = site.base().join("lied");
        let body = format!(
            "[ $1 = takeip ] && [ ! -e {0} ] || exit 0\n\
             (sleep 0.5; ip addr del 10.0.0.9/24 dev left; touch {0}) > /dev/null 2>&1 &",
            mark.display()
        );
        site.script("events/legacy/00.test.script", &body);
        let daemon = site.start();
        wait_until("the script has lied", || mark.exists());
        wait_until("the address is there all the same", || shown("left") == ["10.0.0.9/24"]);
        assert!(!site.log().contains("ANOTHER HOST"), "{}", site.log());
        is_well(&daemon, 64 * 1024);
    });
}
