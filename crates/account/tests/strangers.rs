//! What is remembered of strangers: over restarts, within its bounds.

#![allow(clippy::unwrap_used)]

mod support;

use account::strangers::{Memory, Met, Strangers};
use support::{Bench, run};

fn met(last: i64) -> Met {
    Met { first: 1, last, passed: last % 2 == 0 }
}

#[test]
fn who_was_met_is_known_after_a_restart() {
    let bench = Bench::new();
    run(async {
        let strangers = Strangers::open(&bench.accounts).await.unwrap();
        let memory = Memory { since: 0, entries_max: 10 };
        assert_eq!(strangers.met("a.test").await.unwrap(), None);
        strangers.meet("a.test", met(5), memory).await.unwrap();
        strangers.meet("a.test", met(6), memory).await.unwrap();
        let reopened = bench.reopened();
        let again = Strangers::open(&reopened.accounts).await.unwrap();
        assert_eq!(again.met("a.test").await.unwrap(), Some(met(6)));
        assert_eq!(again.met("b.test").await.unwrap(), None);
    });
}

#[test]
fn the_oldest_are_forgotten_when_there_are_too_many() {
    let bench = Bench::new();
    run(async {
        let strangers = Strangers::open(&bench.accounts).await.unwrap();
        let memory = Memory { since: 0, entries_max: 20 };
        for at in 0..20 {
            strangers.meet(&format!("{at}.test"), met(100 + at), memory).await.unwrap();
        }
        let known = async |strangers: &Strangers| {
            let mut known = Vec::new();
            for at in 0..40 {
                known.extend(strangers.met(&format!("{at}.test")).await.unwrap().map(|_| at));
            }
            known
        };
        assert_eq!(known(&strangers).await.len(), 20, "as many as the limit");
        strangers.meet("0.test", met(200), memory).await.unwrap();
        assert_eq!(known(&strangers).await.len(), 20, "nobody new, nobody forgotten");
        strangers.meet("20.test", met(120), memory).await.unwrap();
        let left = known(&strangers).await;
        assert!(left.len() <= 20 && left.contains(&0) && left.contains(&20), "{left:?}");
        assert!(!left.contains(&1), "the oldest");
        // What says nothing any more goes first, also after a restart.
        let reopened = bench.reopened();
        let strangers = Strangers::open(&reopened.accounts).await.unwrap();
        let late = Memory { since: 120, entries_max: left.len() };
        strangers.meet("30.test", met(300), late).await.unwrap();
        assert_eq!(known(&strangers).await, [0, 20, 30]);
    });
}
