//! A machine's state can be written down and read back, and goes on as if nothing had happened.

use standin_core::ctdb::Ctdb;
use standin_core::machine::{Input, Machine, Outbox};
use standin_core::time::Instant;
use standin_sim::ctdb::CtdbKit;
use standin_sim::kit::Kit;
use standin_sim::plan::Setup;
use standin_sim::world::fault::{Fault, Who};
use standin_sim::world::moment::{HostId, Moment};

/// What a machine does in its next ten wakes, in words.
fn future(machine: &mut Ctdb) -> String {
    let mut out = Outbox::new();
    let mut told = String::new();
    for _ in 0..10 {
        let at = machine.next_deadline().map_or(Instant(u64::MAX / 2), |next| next.at);
        machine.handle(at, Input::Wake, &mut out);
        told.push_str(&format!("{at}: {:?}\n", out.take()));
    }
    told
}

#[test]
fn a_machine_read_back_goes_on_where_it_was() {
    let setup = Setup { seed: 7, nodes: 4, settings: Vec::new(), plant: None };
    let mut world = CtdbKit::new(&setup).expect("nothing is set").build(&setup);
    world.members().for_each(|host| world.start(host));
    while world.advance(Moment(61_000_000)) {
        world.news.clear();
    }
    world.befall(&Fault::PowerOff(Who::One(HostId(2))));
    while world.advance(Moment(88_000_000)) {
        world.news.clear();
    }
    let mut machine = world.host(HostId(0)).machine().expect("it runs").clone();
    let written = serde_json::to_string(&machine).expect("every part is plain data");
    let mut read: Ctdb = serde_json::from_str(&written).expect("what was written");
    assert_eq!(serde_json::to_string(&read).expect("as before"), written);
    let told = future(&mut machine);
    assert!(told.contains("NodeDead"), "{told}");
    assert_eq!(future(&mut read), told);
}
