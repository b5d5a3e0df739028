use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn events_come_in_time_order_and_ties_as_pushed() {
    let mut schedule = Schedule::new();
    for (at, name) in [(500, "d"), (3, "a"), (500, "e"), (3, "b"), (4, "c")] {
        schedule.push(Moment(at), name);
    }
    assert_eq!(schedule.peek(), Some(Moment(3)));
    let order: Vec<_> = std::iter::from_fn(|| schedule.pop()).map(|(_, name)| name).collect();
    assert_eq!(order, ["a", "b", "c", "d", "e"]);
    assert!(schedule.is_empty());
}

#[test]
fn looking_ahead_closes_nothing() {
    let mut schedule = Schedule::new();
    schedule.push(Moment(1_000_000), "late");
    assert_eq!(schedule.peek(), Some(Moment(1_000_000)));
    assert_eq!(schedule.pop_until(Moment(999_999)), None);
    schedule.push(Moment(10), "early");
    assert_eq!(schedule.pop_until(Moment(10)), Some((Moment(10), "early")));
}

#[test]
fn the_end_of_time_can_be_scheduled() {
    let mut schedule = Schedule::new();
    schedule.push(Moment::NEVER, 1);
    schedule.push(Moment(u64::MAX - 1), 0);
    assert_eq!(schedule.pop(), Some((Moment(u64::MAX - 1), 0)));
    assert_eq!(schedule.pop(), Some((Moment::NEVER, 1)));
}

#[test]
#[should_panic(expected = "an event for 0.000004, but it is 0.000005 already")]
fn the_past_is_closed() {
    let mut schedule = Schedule::new();
    schedule.push(Moment(5), ());
    schedule.pop();
    schedule.push(Moment(4), ());
}

#[derive(Clone, Debug)]
enum Step {
    Push(u64),
    Pop,
    PopWithin(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few different delays make ties; wide ones cross many levels.
    let delay = prop_oneof![0u64..4, 0u64..200, (0u32..40).prop_map(|bits| 1u64 << bits), 0u64..400_000_000];
    let step = prop_oneof![
        3 => delay.clone().prop_map(Step::Push),
        2 => Just(Step::Pop),
        1 => delay.prop_map(Step::PopWithin),
    ];
    proptest::collection::vec(step, 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn it_agrees_with_a_sorted_map_of_time_and_sequence(steps in steps()) {
        let mut schedule = Schedule::new();
        let mut model = BTreeMap::new();
        let mut now = 0;
        let rest = std::iter::repeat_n(Step::Pop, 401);
        for (sequence, step) in steps.into_iter().chain(rest).enumerate() {
            let until = match step {
                Step::Push(delay) => {
                    schedule.push(Moment(now + delay), sequence);
                    model.insert((now + delay, sequence), ());
                    continue;
                }
                Step::Pop => u64::MAX,
                Step::PopWithin(span) => now + span,
            };
            prop_assert_eq!(schedule.peek(), model.keys().next().map(|&(at, _)| Moment(at)));
            let due = model.keys().next().copied().filter(|&(at, _)| at <= until);
            let popped = schedule.pop_until(Moment(until));
            prop_assert_eq!(popped, due.map(|(at, sequence)| (Moment(at), sequence)));
            if let Some(key) = due {
                model.remove(&key);
                now = key.0;
            }
            prop_assert_eq!(schedule.len(), model.len());
            if let Some(&ahead) = schedule.ahead() {
                prop_assert_eq!(Some(ahead), model.keys().next().map(|&(_, sequence)| sequence));
            }
        }
        prop_assert!(schedule.is_empty());
    }
}
