//! The scheduler by example, and against a model that keeps all in one list.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    connections_max: 3,
    site_connections_max: 2,
    site_messages_per_minute_max: 0,
    site_connections_first: 1,
};
const BACKOFF: Backoff = Backoff { first_seconds: 100, max_seconds: 1_000, seed: 1 };

fn scheduler() -> Scheduler {
    Scheduler::new(LIMITS, BACKOFF)
}

fn item(id: u64) -> Item {
    Item { id: QueueId(id), recipients: Box::new([0]), attempts: 0 }
}

fn ids(scheduler: &mut Scheduler, site: &Arc<str>, now: i64) -> Vec<u64> {
    std::iter::from_fn(|| scheduler.take(site, now).map(|item| item.id.0)).collect()
}

#[test]
fn one_connection_takes_all_that_is_due_in_order() {
    let mut all = scheduler();
    all.add("x.test", item(1), (0, 0));
    all.add("x.test", item(2), (0, 0));
    all.add("x.test", item(3), (0, 5));
    let site = all.call(0).unwrap();
    assert_eq!(&*site, "x.test");
    assert_eq!(all.call(0), None, "one connection is enough to begin with");
    assert_eq!(ids(&mut all, &site, 0), [1, 2]);
    assert_eq!(all.wake(0), Some(5));
    assert_eq!(all.wake(5), None);
    assert_eq!(ids(&mut all, &site, 5), [3]);
    assert!(all.is_empty());
    all.hung_up(&site, 5);
    assert_eq!(all.sites(), []);
}

#[test]
fn sites_take_turns_and_connections_have_a_limit() {
    let mut all = scheduler();
    for number in 0..10 {
        for site in ["a.test", "b.test", "c.test", "d.test"] {
            all.add(site, item(number), (0, 0));
        }
    }
    let called: Vec<Arc<str>> = std::iter::from_fn(|| all.call(0)).collect();
    let called: Vec<&str> = called.iter().map(|site| &**site).collect();
    assert_eq!(called, ["a.test", "b.test", "c.test"]);
    all.hung_up(&Arc::from("b.test"), 0);
    assert_eq!(all.call(0).as_deref(), Some("d.test"), "nobody twice before all once");
    all.hung_up(&Arc::from("d.test"), 0);
    assert_eq!(all.call(0).as_deref(), Some("b.test"));
}

#[test]
fn a_site_that_takes_mail_is_worth_another_connection() {
    let mut all = scheduler();
    for number in 0..10 {
        all.add("x.test", item(number), (0, 0));
    }
    let site = all.call(0).unwrap();
    let first = all.take(&site, 0).unwrap();
    assert_eq!(all.call(0), None);
    all.ended(&site, first, (Ended::Done, 0));
    assert_eq!(all.call(0).as_deref(), Some("x.test"));
    let next = all.take(&site, 0).unwrap();
    all.ended(&site, next, (Ended::Done, 0));
    assert_eq!(all.call(0), None, "two are its limit");
    assert_eq!(all.site("x.test").unwrap().connections, 2);
}

#[test]
fn a_site_whose_host_is_full_calls_when_there_is_room_and_speaks_where_it_does_already() {
    let mut all = scheduler();
    for number in 0..4 {
        all.add("x.test", item(number), (0, 0));
    }
    let site = all.call(0).unwrap();
    let first = all.take(&site, 0).unwrap();
    all.ended(&site, first, (Ended::Done, 0));
    assert_eq!(all.call(0).as_deref(), Some("x.test"), "a second connection");
    let second = all.take(&site, 0).unwrap();
    assert_eq!(all.ended(&site, second, (Ended::Full { host: None, until: 60 }, 0)), Some(60));
    all.hung_up(&site, 0);
    assert_eq!(all.call(0), None, "there is no room");
    assert_eq!(ids(&mut all, &site, 0), [1, 2, 3], "the first connection goes on, in order");
    for number in 1..4 {
        all.ended(&site, item(number), (Ended::Untried, 0));
    }
    all.hung_up(&site, 0);
    assert_eq!((all.call(0), all.wake(0)), (None, Some(60)));
    assert!(all.call_again(&site, 1) && !all.call_again(&Arc::from("y.test"), 1));
    assert_eq!(all.call(1).as_deref(), Some("x.test"), "it hears of a place");
    let next = all.take(&site, 1).unwrap();
    all.ended(&site, next, (Ended::Full { host: None, until: 61 }, 1));
    all.hung_up(&site, 1);
    assert_eq!((all.call(60), all.wake(61), all.call(61)), (None, None, Some(site.clone())));
    let told = all.site("x.test").unwrap();
    assert_eq!((told.failures, told.closed_until), (0, 0), "nobody failed");
}

#[test]
fn what_waits_for_its_day_is_no_try_and_others_go_first() {
    let mut all = scheduler();
    for number in 0..2 {
        all.add("x.test", item(number), (0, 0));
    }
    let site = all.call(0).unwrap();
    let first = all.take(&site, 0).unwrap();
    assert_eq!(all.ended(&site, first, (Ended::Wait(500), 0)), Some(500));
    assert_eq!(ids(&mut all, &site, 0), [1]);
    assert_eq!(all.take(&site, 499), None);
    let told = all.site("x.test").unwrap();
    assert_eq!((told.waiting, told.failures, told.closed_until), (1, 0, 0));
    all.wake(500);
    let first = all.take(&site, 500).unwrap();
    assert_eq!((first.id.0, first.attempts), (0, 0));
}

#[test]
fn a_dead_site_is_closed_as_a_whole() {
    let mut all = scheduler();
    for number in 0..1_000 {
        all.add("dead.test", item(number), (0, 0));
    }
    all.add("x.test", item(5_000), (0, 0));
    let (dead, alive) = (all.call(0).unwrap(), all.call(0).unwrap());
    let probe = all.take(&dead, 0).unwrap();
    let at = all.ended(&dead, probe, (Ended::Unreachable("refused".into()), 0)).unwrap();
    assert!((100..=125).contains(&at));
    assert_eq!(all.take(&dead, 0), None);
    all.hung_up(&dead, 0);
    assert_eq!(ids(&mut all, &alive, 0), [5_000]);
    let told = all.site("dead.test").unwrap();
    assert_eq!((told.due, told.failures, told.closed_until), (1_000, 1, at));
    assert_eq!(told.why.as_deref(), Some("refused"));
    assert!(all.is_failing("dead.test"));
    assert!(!all.is_failing("x.test") && !all.is_failing("unknown.test"));
    assert_eq!(all.wake(at - 1), Some(at));
    assert_eq!(all.call(at - 1), None);

    all.wake(at);
    let dead = all.call(at).unwrap();
    assert_eq!(all.call(at), None, "it is asked with one connection");
    let probe = all.take(&dead, at).unwrap();
    assert_eq!(probe.id.0, 0);
    let later = all.ended(&dead, probe, (Ended::Unreachable("refused".into()), at)).unwrap();
    assert!((200..=250).contains(&(later - at)));
    all.hung_up(&dead, at);

    all.retry(Some("dead.test"), at + 1);
    let dead = all.call(at + 1).unwrap();
    assert_eq!(ids(&mut all, &dead, at + 1).len(), 1_000);
}

#[test]
fn a_message_that_was_asked_to_come_again_waits_alone() {
    let mut all = scheduler();
    all.add("x.test", Item { recipients: Box::new([0, 1, 2]), ..item(1) }, (0, 0));
    all.add("x.test", item(2), (0, 0));
    let site = all.call(0).unwrap();
    let first = all.take(&site, 0).unwrap();
    let at = all.ended(&site, first, (Ended::Later(Box::new([1])), 0)).unwrap();
    assert!((100..=125).contains(&at));
    assert_eq!(ids(&mut all, &site, 0), [2]);
    assert_eq!(all.wake(0), Some(at));
    all.wake(at);
    let again = all.take(&site, at).unwrap();
    assert_eq!(again, Item { recipients: Box::new([1]), attempts: 1, ..item(1) });
    let later = all.ended(&site, again, (Ended::Later(Box::new([1])), at)).unwrap();
    assert!((200..=250).contains(&(later - at)));
}

#[test]
fn a_site_has_its_share_of_a_minute() {
    let limits = Limits { site_messages_per_minute_max: 2, ..LIMITS };
    let mut all = Scheduler::new(limits, BACKOFF);
    for number in 0..5 {
        all.add("x.test", item(number), (30, 30));
    }
    let site = all.call(30).unwrap();
    assert_eq!(ids(&mut all, &site, 30), [0, 1]);
    assert_eq!(all.wake(30), Some(60));
    assert_eq!(all.take(&site, 59), None);
    all.wake(60);
    assert_eq!(ids(&mut all, &site, 60), [2, 3]);
    assert_eq!(ids(&mut all, &site, 121), [4]);
}

#[test]
fn a_message_is_taken_out_wherever_it_waits() {
    let mut all = scheduler();
    all.add("x.test", item(1), (0, 0));
    all.add("y.test", item(1), (0, 9));
    all.add("x.test", item(2), (0, 0));
    let found = all.remove(QueueId(1), 0);
    let mut sites: Vec<&str> = found.iter().map(|(site, _)| &**site).collect();
    sites.sort_unstable();
    assert_eq!(sites, ["x.test", "y.test"]);
    assert_eq!(all.len(), 1);
    assert_eq!(all.remove(QueueId(1), 0), []);
    let site = all.call(0).unwrap();
    assert_eq!(ids(&mut all, &site, 0), [2]);
}

#[test]
fn untried_comes_first_the_next_time() {
    let mut all = scheduler();
    all.add("x.test", item(1), (0, 0));
    all.add("x.test", item(2), (0, 0));
    let site = all.call(0).unwrap();
    let first = all.take(&site, 0).unwrap();
    all.ended(&site, first, (Ended::Untried, 0));
    all.hung_up(&site, 0);
    let site = all.call(0).unwrap();
    assert_eq!(ids(&mut all, &site, 0), [1, 2]);
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8, i64),
    Call,
    Take(u8),
    End(u8, u8),
    HangUp(u8),
    Pass(i64),
    Retry,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, 0..300_i64).prop_map(|(site, wait)| Step::Add(site, wait)),
        4 => Just(Step::Call),
        6 => any::<u8>().prop_map(Step::Take),
        6 => (any::<u8>(), 0..4_u8).prop_map(|(which, how)| Step::End(which, how)),
        3 => any::<u8>().prop_map(Step::HangUp),
        3 => (1..400_i64).prop_map(Step::Pass),
        1 => Just(Step::Retry),
    ]
}

proptest! {
    /// Whatever happens, no item is lost or given twice, limits hold, and all leave in the end.
    #[test]
    fn nothing_is_lost(steps in prop::collection::vec(step(), 0..200)) {
        let mut all = scheduler();
        let (mut now, mut next) = (0, 0);
        let mut open: Vec<Arc<str>> = Vec::new();
        let mut held: Vec<(Arc<str>, Item)> = Vec::new();
        let mut inside = BTreeSet::new();
        for step in steps {
            match step {
                Step::Add(site, wait) => {
                    all.add(&format!("{site}.test"), item(next), (now, now + wait));
                    inside.insert(next);
                    next += 1;
                }
                Step::Call => open.extend(all.call(now)),
                Step::Take(which) if !open.is_empty() => {
                    let site = open[usize::from(which) % open.len()].clone();
                    if let Some(item) = all.take(&site, now) {
                        prop_assert!(inside.remove(&item.id.0), "given twice");
                        held.push((site, item));
                    }
                }
                Step::End(which, how) if !held.is_empty() => {
                    let (site, item) = held.swap_remove(usize::from(which) % held.len());
                    let id = item.id.0;
                    let ended = match how {
                        0 => Ended::Done,
                        1 => Ended::Later(item.recipients.clone()),
                        2 => Ended::Untried,
                        _ => Ended::Unreachable("x".into()),
                    };
                    if ended != Ended::Done {
                        inside.insert(id);
                    }
                    all.ended(&site, item, (ended, now));
                }
                Step::HangUp(which) if !open.is_empty() => {
                    let at = usize::from(which) % open.len();
                    let site = open[at].clone();
                    // What it holds is ended before: as the server does.
                    let (own, others) = held.into_iter().partition(|(of, _)| *of == site);
                    held = others;
                    for (of, item) in own {
                        inside.insert(item.id.0);
                        all.ended(&of, item, (Ended::Untried, now));
                    }
                    open.swap_remove(at);
                    all.hung_up(&site, now);
                }
                Step::Pass(seconds) => {
                    now += seconds;
                    all.wake(now);
                }
                Step::Retry => all.retry(None, now),
                _ => {}
            }
            prop_assert_eq!(all.len(), inside.len());
            prop_assert_eq!(all.connections(), open.len());
            prop_assert!(open.len() <= LIMITS.connections_max);
            for site in all.sites() {
                prop_assert!(site.connections <= LIMITS.site_connections_max);
            }
        }
        for (site, item) in held {
            all.ended(&site, item, (Ended::Done, now));
        }
        for site in open {
            all.hung_up(&site, now);
        }
        while !all.is_empty() {
            if let Some(site) = all.call(now) {
                while let Some(item) = all.take(&site, now) {
                    prop_assert!(inside.remove(&item.id.0));
                    all.ended(&site, item, (Ended::Done, now));
                }
                all.hung_up(&site, now);
            } else {
                let at = all.wake(now);
                prop_assert!(at.is_some_and(|at| at > now), "somebody waits for ever");
                now = at.unwrap();
                all.wake(now);
            }
        }
        prop_assert!(inside.is_empty());
        prop_assert_eq!(all.connections(), 0);
    }
}

/// A hundred thousand messages for a dead domain expire, or are dropped: each is found without
/// looking at the others. Counted, not timed: an item is put once and taken once.
#[test]
fn each_message_of_many_is_taken_out_in_one_step() {
    const MANY: u64 = 20_000;
    let mut all = scheduler();
    // Of each message, a part is due and a part waits.
    for number in 0..MANY {
        all.add("due.test", item(number), (0, 0));
        all.add("waits.test", item(number), (0, 50));
    }
    let touched =
        |all: &Scheduler| -> u64 { all.lines.values().map(|one| one.row.touched()).sum() };
    assert_eq!(touched(&all), 2 * MANY);
    // One stays, so that the rows do.
    for number in (1..MANY).rev() {
        let found = all.remove(QueueId(number), 1);
        assert_eq!(found.len(), 2, "{number}");
        assert!(found.iter().all(|(_, item)| item.id.0 == number));
    }
    assert_eq!(touched(&all), 4 * MANY - 2);
    assert_eq!((all.len(), all.remove(QueueId(MANY), 1).len()), (2, 0));
    assert_eq!(touched(&all), 4 * MANY - 2, "nobody was looked at for one that is not there");
    assert_eq!(all.remove(QueueId(0), 1).len(), 2);
    assert_eq!((all.is_empty(), all.call(1)), (true, None));
    assert_eq!(all.sites(), []);
}

/// Let go while a connection has it: it is given once, to all that wait.
#[test]
fn a_message_that_comes_back_twice_is_one() {
    let mut all = scheduler();
    all.add("x.test", item(1), (0, 0));
    let site = all.call(0).unwrap();
    let taken = all.take(&site, 0).unwrap();
    let again = Item { id: QueueId(1), recipients: Box::new([1]), attempts: 0 };
    all.add("x.test", again, (0, 0));
    all.ended(&site, taken, (Ended::Later(Box::new([0])), 0));
    assert_eq!(all.len(), 1);
    let at = all.wake(0).unwrap();
    all.wake(at);
    let joined = all.take(&site, at).unwrap();
    assert_eq!((&*joined.recipients, joined.attempts), (&[0, 1][..], 1));
    assert_eq!(all.take(&site, at), None);
}
