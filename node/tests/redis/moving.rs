//! Slots with keys on their way to one of ours, by Redis' own tool: refused, and no key is lost.

use super::cluster::{Cluster, able};

const REFUSED: &str = "ERR Target instance replied with error: CLUSTERDOWN Hash slot not served: this \
                       node is a standin witness and stores no keys";
/// Keys in slots 0, 1 and 2.
const KEYS: [&str; 3] = ["3560", "22179", "48756"];

/// Two real masters and a witness with these first slots; the first has keys in its first three.
fn with_keys(name: &str, firsts: [u32; 3]) -> Option<(Cluster, usize)> {
    if !able() {
        return None;
    }
    let mut cluster = Cluster::new(name);
    let mut all = cluster.redises(2);
    let witness = cluster.standin("");
    all.push(witness);
    for (at, (first, end)) in firsts.iter().zip(firsts[1..].iter().chain([&16384])).enumerate() {
        cluster.tell(at, &format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
        cluster.tell(at, &format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1));
        cluster.tell(at, &format!("CLUSTER MEET {} 6379", cluster.ip(0)));
    }
    cluster.wait_well(&all);
    cluster.wait("the tool finds nothing wrong", |it| it.checks(0));
    KEYS.iter().for_each(|key| cluster.tell(0, &format!("SET {key} value")));
    Some((cluster, witness))
}

/// Every key is where it was and can be written; slot 0 is open for new ones.
fn all_is_well(cluster: &Cluster) {
    for key in KEYS {
        assert_eq!(cluster.ask(0, &format!("GET {key}")).as_deref(), Some("value"), "{}", cluster.told());
        cluster.tell(0, &format!("SET {key} value"));
    }
    cluster.tell(0, "SET {3560}new value");
    assert_eq!(cluster.ask(0, "DEL {3560}new").as_deref(), Some("1"));
    assert!(cluster.checks(0), "{}", cluster.told());
}

#[test]
fn a_slot_with_keys_is_refused_and_closed_without_losing_any() {
    let Some((cluster, witness)) = with_keys("refused", [0, 5461, 10923]) else { return };
    let (from, to) = (cluster.id(0), cluster.id(witness));
    let said = cluster.cli(&format!(
        "--cluster reshard {} --cluster-from {from} --cluster-to {to} --cluster-slots 2 --cluster-yes",
        cluster.address(1)
    ));
    assert!(said.status != 0 && said.err.contains(REFUSED) | said.out.contains(REFUSED), "{said:?}");
    let open = |at: usize| cluster.seen(at, at).is_some_and(|it| it.slots.last().unwrap().starts_with("[0-"));
    assert!(open(0) && open(witness), "{}", cluster.told());
    // What is there is served; what is not may be at the witness, which has a word for it.
    assert_eq!(cluster.ask(0, "GET 3560").as_deref(), Some("value"));
    let asked = cluster.ask(0, "SET {3560}new value").unwrap_or_default();
    assert_eq!(asked, format!("-ASK 0 {}", cluster.address(witness)));
    // The tool would go on where it stopped, and is refused again.
    let said = cluster.cli(&format!("--cluster fix {}", cluster.address(0)));
    assert!(said.status != 0 && (said.out.contains(REFUSED) || said.err.contains(REFUSED)), "{said:?}");
    [0, 1, witness].into_iter().for_each(|at| cluster.tell(at, "CLUSTER SETSLOT 0 STABLE"));
    all_is_well(&cluster);
    // A witness's own slots have no keys to move.
    assert_eq!(cluster.ask(witness, "MIGRATE 10.0.0.1 6379 a 0 100").as_deref(), Some("NOKEY"));
    // A slot that a mistaken tool gives away without its keys stays with who has them.
    let refused = cluster.ask(0, &format!("CLUSTER SETSLOT 0 NODE {to}")).unwrap_or_default();
    assert!(
        refused.starts_with("-ERR Can't assign hashslot 0 to a different node while I still"),
        "{refused}"
    );
    all_is_well(&cluster);
}

#[test]
fn a_rebalance_leaves_a_witness_the_one_slot_it_weighs() {
    let Some((cluster, witness)) = with_keys("weighed", [0, 7992, 16383]) else { return };
    let id = cluster.id(witness);
    let counts = || [0, 1, witness].map(|at| cluster.seen(at, at).map_or(0, |line| line.count()));
    let rebalance = |more: &str| cluster.tool(&format!("rebalance {}{more}", cluster.address(0)));
    // Without a weight it would get a third.
    let plan = rebalance(" --cluster-simulate");
    let gets = |line: &&str| line.ends_with(&format!("to {}", cluster.address(witness)));
    let moves = plan.lines().filter(gets).filter_map(|line| line.split(' ').nth(1)?.parse::<u32>().ok());
    assert!(moves.sum::<u32>() > 5000, "{plan}");
    // Weights that are slots, and are 16384 together, leave no remainder that could fall to it.
    let weights = format!(" --cluster-weight {}=8192 {}=8191 {id}=1", cluster.id(0), cluster.id(1));
    rebalance(&weights);
    assert_eq!(counts(), [8192, 8191, 1]);
    assert!(rebalance(&weights).contains("No rebalancing needed!"));
    all_is_well(&cluster);
    // With none it gets none, and has no vote.
    rebalance(&format!(" --cluster-weight {id}=0"));
    assert_eq!((counts()[2], counts().iter().sum()), (0, 16384));
    cluster.wait("two votes", |it| it.info(0, "cluster_size") == "2");
    all_is_well(&cluster);
}
