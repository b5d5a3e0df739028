//! What is done to the cluster in each situation, as it was done to the real one, and the figures
//! taken of it.

use standin_core::time::Duration;

use super::Missed;
use super::scene::Scene;
use crate::ctdb::verbs::{Action, Operator, Whom};
use crate::world::fault::{Fault, Ways, Which, Who};
use crate::world::moment::{HostId, Net};

/// A figure each, in thousandths.
type Figures = Result<Vec<Option<u64>>, Missed>;

/// How long after a change clients are watched, at least: three times the longest gap that
/// detection at its slowest costs.
const WATCHED: Duration = Duration::from_secs(60);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn time(span: Duration) -> Option<u64> {
    Some(span.as_micros() / 1_000)
}

fn times(span: Option<Duration>) -> Option<u64> {
    span.and_then(time)
}

const fn count(count: usize) -> Option<u64> {
    Some(count as u64 * 1_000)
}

/// All daemons start.
pub(super) fn cold_start(scene: &mut Scene) -> Figures {
    scene.start();
    let answered = scene.until(Scene::all_answer);
    let whole = scene.until(Scene::is_well);
    Ok(vec![times(answered), times(whole)])
}

/// A node is shut down by its operator, and starts again.
pub(super) fn clean_stop(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    scene.act(&Action::Operator(Whom::Who(Who::One(node)), Operator::Shutdown));
    scene.wait(WATCHED);
    let (dead, outage) = (scene.marked_dead(node).last().copied(), scene.outage());
    let [holds, gap] = rejoin(scene, &Fault::Start(Who::One(node)), node);
    Ok(vec![times(dead), times(outage), holds, gap])
}

/// A node comes back: when it holds its share again, and what that costs clients.
fn rejoin(scene: &mut Scene, how: &Fault, node: HostId) -> [Option<u64>; 2] {
    scene.mark();
    scene.befall(how);
    let holds = scene.until(|scene| scene.held_by(node).len() > 1);
    scene.pass(secs(10));
    [times(holds), times(scene.outage())]
}

/// A follower loses power.
pub(super) fn power_loss(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    Ok(lose_power(scene, node))
}

/// A follower loses power, and returns a minute later.
pub(super) fn power_loss_and_return(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    let mut figures = lose_power(scene, node);
    figures.extend(rejoin(scene, &Fault::PowerOn(Who::One(node)), node));
    Ok(figures)
}

/// The leader loses power.
pub(super) fn leader_power_loss(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.leader()?;
    Ok(lose_power(scene, node))
}

/// When the first and the last survivor mark it dead, and what that costs clients.
fn lose_power(scene: &mut Scene, node: HostId) -> Vec<Option<u64>> {
    scene.befall(&Fault::PowerOff(Who::One(node)));
    scene.wait(WATCHED);
    let dead = scene.marked_dead(node);
    let last = dead.last().copied().filter(|_| dead.len() > 1);
    vec![times(dead.first().copied()), times(last), times(scene.outage())]
}

/// Somebody deletes a public address on its holder.
pub(super) fn address_deleted(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    let address = *scene.held_by(node).first().ok_or_else(|| Missed::new("a node holds no address"))?;
    scene.befall(&Fault::AddressDel(Who::One(node), Which::Given(address)));
    scene.pass(secs(30));
    Ok(vec![times(scene.outage())])
}

/// The public interface is flushed and set down, a second later set up with the host's own address.
pub(super) fn interface_restarted(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    let who = Who::One(node);
    for address in scene.held_by(node) {
        scene.befall(&Fault::AddressDel(who, Which::Given(address)));
    }
    scene.befall(&Fault::InterfaceDown(who, Net::Public));
    scene.pass(secs(1));
    scene.befall(&Fault::InterfaceUp(who, Net::Public));
    scene.befall(&Fault::Readdress(who));
    scene.pass(secs(30));
    Ok(vec![times(scene.outage())])
}

/// The public cable is pulled, and put back.
pub(super) fn cable(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    scene.befall(&Fault::CablePull(Who::One(node), Net::Public));
    scene.wait(WATCHED);
    let outage = scene.outage();
    // The addresses were taken from it; only then is there something to come back.
    let lost = scene.held_by(node).is_empty();
    let [holds, _] = rejoin(scene, &Fault::CablePlug(Who::One(node), Net::Public), node);
    Ok(vec![times(outage), holds.filter(|_| lost)])
}

/// A node's private network is cut.
fn cut(scene: &mut Scene, node: HostId) -> Fault {
    let others = scene.world.members().filter(|host| *host != node).collect();
    let ways = Ways::Sides(vec![vec![node], others]);
    scene.befall(&Fault::Cut(Net::Private, ways.clone()));
    Fault::Mend(Net::Private, ways)
}

/// It is mended: when no address is hosted twice any more, and what that costs clients.
fn heal(scene: &mut Scene, mend: &Fault) -> [Option<u64>; 2] {
    let was = scene.twice() > 0;
    scene.mark();
    scene.befall(mend);
    let ended = scene.until(|scene| scene.twice() == 0).filter(|_| was);
    scene.pass_to(secs(90));
    [times(ended), times(scene.outage())]
}

/// A follower's private network is cut for a minute.
pub(super) fn follower_cut(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    let mend = cut(scene, node);
    scene.wait(secs(60));
    let (dead, since, twice) = (scene.first_death(), scene.twice_since(), scene.twice_max());
    let [ended, outage] = heal(scene, &mend);
    Ok(vec![times(dead), times(since), count(twice), ended, outage])
}

/// The leader's private network is cut for a minute.
pub(super) fn leader_cut(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.leader()?;
    let mend = cut(scene, node);
    scene.wait(secs(60));
    let twice = scene.twice_max();
    let [_, outage] = heal(scene, &mend);
    Ok(vec![count(twice), outage])
}

/// With a lock, a follower's private network is cut for longer than it keeps its addresses.
pub(super) fn follower_cut_long(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    let mend = cut(scene, node);
    let [since, twice, ended, _] = long_cut(scene, &[]);
    let [_, outage] = heal(scene, &mend);
    Ok(vec![since, twice, ended, outage])
}

/// With a lock, the leader's private network is cut for as long.
pub(super) fn leader_cut_long(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.leader()?;
    let majority: Vec<HostId> = scene.world.members().filter(|host| *host != node).collect();
    let mend = cut(scene, node);
    let [_, twice, ended, serves] = long_cut(scene, &majority);
    let [_, outage] = heal(scene, &mend);
    Ok(vec![twice, ended, serves, outage])
}

/// A cut of 160 s: when double hosting begins, of how many, when it ends by itself, and how many
/// addresses these hosts have at last.
fn long_cut(scene: &mut Scene, hosts: &[HostId]) -> [Option<u64>; 4] {
    scene.pass_to(secs(60));
    let since = scene.twice_since();
    let ended = scene.until_within(secs(160), |scene| scene.twice() == 0).filter(|_| since.is_some());
    scene.pass_to(secs(160));
    scene.wait(Duration::ZERO);
    let serves = hosts.iter().map(|host| scene.held_by(*host).len()).sum();
    [times(since), count(scene.twice_max()), times(ended), count(serves)]
}

/// The leader's daemon is killed; its host stays up.
pub(super) fn leader_killed(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.leader()?;
    killed(scene, node)
}

/// A follower's daemon is killed; its host stays up.
pub(super) fn follower_killed(scene: &mut Scene) -> Figures {
    scene.settle()?;
    let node = scene.follower()?;
    killed(scene, node)
}

fn killed(scene: &mut Scene, node: HostId) -> Figures {
    let held = scene.held_by(node);
    scene.befall(&Fault::Crash(Who::One(node)));
    let taken = scene.until_within(WATCHED, |scene| scene.elsewhere(&held, node));
    scene.pass_to(secs(40));
    Ok(vec![times(scene.marked_dead(node).last().copied()), times(taken), count(scene.twice())])
}

/// Nothing happens.
pub(super) fn idle(scene: &mut Scene) -> Figures {
    const SPAN: u64 = 30;
    scene.settle()?;
    let before = scene.world.counts.segments;
    scene.pass(secs(SPAN));
    let messages = scene.world.counts.segments - before;
    Ok(vec![Some(messages * 1_000 / SPAN)])
}
