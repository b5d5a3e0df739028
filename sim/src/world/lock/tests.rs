use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const A: HostId = HostId(0);
const B: HostId = HostId(1);
const NOW: Moment = Moment::START;
const LATER: Moment = Moment(10_000_000);

fn news(host: HostId, news: LockNews) -> Vec<News> {
    vec![News { host, name: "lock".into(), news }]
}

fn held_by_a() -> Locks {
    let mut locks = Locks::new();
    assert_eq!(locks.take("lock", A, NOW), Taken::Held);
    locks
}

#[test]
fn one_holder_at_a_time_and_its_death_frees_it() {
    let mut locks = held_by_a();
    assert_eq!(locks.take("lock", B, NOW), Taken::Busy);
    assert_eq!(locks.take("lock", A, NOW), Taken::Busy, "a second process of the holder");
    assert_eq!(locks.take("other", B, NOW), Taken::Held);
    locks.release("lock", B);
    assert_eq!(locks.holder("lock"), Some(A), "only its holder lets go of it");
    locks.died(A);
    assert_eq!(locks.take("lock", B, NOW), Taken::Held);
    locks.release("lock", B);
    assert_eq!(locks.holder("lock"), None);
}

#[test]
fn a_holder_cut_off_holds_until_its_lease_is_revoked_and_learns_it_when_back() {
    let mut locks = held_by_a();
    assert_eq!(locks.set_storage(A, Storage::Silent), []);
    assert_eq!(locks.take("lock", B, NOW), Taken::Busy);
    assert_eq!(locks.revoke(A), []);
    assert_eq!(locks.take("lock", B, NOW), Taken::Held);
    assert_eq!(locks.believers("lock").collect::<Vec<_>>(), [B, A]);
    assert_eq!(locks.set_storage(A, Storage::Fine), news(A, LockNews::Lost));
    assert_eq!(locks.believers("lock").collect::<Vec<_>>(), [B]);
}

#[test]
fn what_dies_while_cut_off_is_freed_when_the_storage_hears_of_it() {
    let mut locks = held_by_a();
    locks.set_storage(A, Storage::Silent);
    locks.died(A);
    assert_eq!(locks.take("lock", B, NOW), Taken::Busy);
    assert_eq!(locks.believers("lock").count(), 0);
    assert_eq!(locks.set_storage(A, Storage::Fine), []);
    assert_eq!(locks.take("lock", B, NOW), Taken::Held);
}

#[test]
fn waiting_on_silent_storage_ends_with_an_answer_or_patience() {
    let mut locks = Locks::new();
    locks.set_stalled(true);
    assert_eq!(locks.take("lock", B, NOW), Taken::Stalled(LATER));
    assert_eq!(locks.take("lock", A, Moment(1)), Taken::Stalled(LATER + Duration(1)));
    let mut answered = locks.clone();
    let both = [news(B, LockNews::Held), news(A, LockNews::Busy)].concat();
    assert_eq!(answered.set_stalled(false), both, "in the order they asked");
    assert_eq!(answered.give_up(Moment::NEVER), []);
    assert_eq!(locks.give_up(LATER), news(B, LockNews::TimedOut));
    assert_eq!(locks.set_storage(A, Storage::Failing), news(A, LockNews::Failed));
    assert_eq!(locks.take("lock", A, NOW), Taken::Failed);
}

#[test]
fn a_lock_that_vanishes_is_news_for_its_holder_alone() {
    let mut locks = held_by_a();
    assert_eq!(locks.lose("lock"), news(A, LockNews::Lost));
    assert_eq!(locks.lose("lock"), []);
    assert_eq!(locks.take("lock", B, NOW), Taken::Held);
}

#[test]
fn nothing_is_heard_of_an_attempt_given_up() {
    let mut locks = Locks::new();
    locks.set_stalled(true);
    locks.take("lock", A, NOW);
    locks.withdraw("lock", A);
    assert_eq!(locks.set_stalled(false), []);
    assert_eq!(locks.holder("lock"), None);
}

#[derive(Clone, Debug)]
enum Step {
    Take(HostId),
    Release(HostId),
    Died(HostId),
    Reach(HostId, Storage),
    Stall(bool),
    GiveUp,
    Lose,
    Revoke(HostId),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let host = (0u32..3).prop_map(HostId);
    let storage =
        prop_oneof![2 => Just(Storage::Fine), 1 => Just(Storage::Silent), 1 => Just(Storage::Failing)];
    let step = prop_oneof![
        6 => host.clone().prop_map(Step::Take),
        3 => host.clone().prop_map(Step::Release),
        1 => host.clone().prop_map(Step::Died),
        3 => (host.clone(), storage).prop_map(|(host, storage)| Step::Reach(host, storage)),
        1 => any::<bool>().prop_map(Step::Stall),
        1 => Just(Step::GiveUp),
        1 => Just(Step::Lose),
        1 => host.prop_map(Step::Revoke),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    /// What the hosts were told is what they are said to believe, each attempt has one outcome,
    /// and without a lock lost or revoked there is one believer at most.
    #[test]
    fn believers_are_those_who_were_told_so(steps in steps()) {
        let mut locks = Locks::new();
        let (mut believers, mut waiting) = (BTreeSet::new(), BTreeSet::new());
        let mut sound = true;
        for step in steps {
            let news = match step {
                // A host tries once at a time.
                Step::Take(host) if believers.contains(&host) || waiting.contains(&host) => continue,
                Step::Take(host) => {
                    match locks.take("lock", host, NOW) {
                        Taken::Held => prop_assert!(believers.insert(host)),
                        Taken::Stalled(_) => prop_assert!(waiting.insert(host)),
                        Taken::Busy | Taken::Failed => {}
                    }
                    continue;
                }
                Step::Release(host) | Step::Died(host) => {
                    if matches!(step, Step::Died(_)) {
                        locks.died(host);
                    } else {
                        locks.withdraw("lock", host);
                        locks.release("lock", host);
                    }
                    believers.remove(&host);
                    waiting.remove(&host);
                    continue;
                }
                Step::Reach(host, storage) => locks.set_storage(host, storage),
                Step::Stall(stalled) => locks.set_stalled(stalled),
                Step::GiveUp => locks.give_up(LATER),
                Step::Lose => { sound = false; locks.lose("lock") }
                Step::Revoke(host) => { sound = false; locks.revoke(host) }
            };
            for News { host, news, .. } in news {
                if news == LockNews::Lost {
                    prop_assert!(believers.remove(&host));
                } else {
                    prop_assert!(waiting.remove(&host));
                }
                if news == LockNews::Held {
                    prop_assert!(believers.insert(host));
                }
            }
            prop_assert_eq!(&locks.believers("lock").collect::<BTreeSet<_>>(), &believers);
            prop_assert!(!sound || believers.len() <= 1);
        }
    }
}
