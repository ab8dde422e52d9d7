//! What is known of senders: over restarts, within its bounds, taken back, forgotten.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{
    reputation::{Evidence, Name, Reputation, Repute, Settings, Word},
    strangers::{Memory, Met, Strangers},
};
use mail::AccountId;
use spam::Class;
use std::sync::Arc;
use store::{Kv, Scan};
use support::{Bench, run};

const NOW: i64 = 1_790_000_000;
const DAY: i64 = 86_400;
const STRANGERS: u32 = u32::MAX - 3;

fn settings() -> Settings {
    Settings { enabled: true, ..Settings::default() }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

async fn opened(bench: &Bench, settings: Settings) -> Reputation {
    Reputation::new(&Strangers::open(&bench.accounts).await.unwrap(), settings)
}

async fn repute(reputation: &Reputation, text: &str, now: i64) -> Option<(Repute, f64)> {
    let found = reputation.find(&[name(text)], now).await.unwrap().remove(0)?;
    Some((found.repute, found.opinion.percent()))
}

fn junk(before: Option<(Class, i64)>) -> Word {
    Word { class: Class::Spam, before, filtered: false }
}

#[test]
fn several_accounts_decide_and_take_it_back() {
    let bench = Bench::new();
    run(async {
        let reputation = opened(&bench, settings()).await;
        let names = [name("bad.test"), name("192.0.2.7"), name("192.0.2.0/24")];
        for account in [1, 2, 3] {
            for _ in 0..3 {
                reputation.count(&names, Evidence::Inbox(AccountId(account)));
                reputation.hear(&names, (AccountId(account), junk(None)), NOW);
            }
        }
        assert_eq!(repute(&reputation, "bad.test", NOW).await, None, "not written yet");
        assert_eq!(reputation.write(NOW).await.unwrap().0.len(), 3);
        for text in ["bad.test", "192.0.2.7", "192.0.2.77/24"] {
            assert_eq!(repute(&reputation, text, NOW).await.unwrap().0, Repute::Bad, "{text}");
        }

        let reopened = bench.reopened();
        let reputation = opened(&reopened, settings()).await;
        assert_eq!(reputation.count_known(), 3);
        assert_eq!(repute(&reputation, "bad.test", NOW).await.unwrap().0, Repute::Bad);
        // Known no more when enough has faded, and nobody did anything.
        let later = repute(&reputation, "bad.test", NOW + 30 * DAY).await.unwrap().0;
        assert_eq!(later, Repute::Unknown);

        let back = Word { class: Class::Ham, before: Some((Class::Spam, NOW)), filtered: false };
        for account in [1, 2, 3] {
            for _ in 0..3 {
                reputation.hear(&names, (AccountId(account), back), NOW + DAY);
            }
        }
        reputation.write(NOW + DAY).await.unwrap();
        let (found, percent) = repute(&reputation, "bad.test", NOW + DAY).await.unwrap();
        assert!(found == Repute::Good && percent < 10.0, "{percent}");
        // What is said twice is not news.
        let again = Word { class: Class::Spam, before: Some((Class::Spam, NOW)), filtered: false };
        reputation.hear(&names, (AccountId(9), again), NOW);
        assert_eq!(reputation.write(NOW + DAY).await.unwrap().0.len(), 0);
    });
}

#[test]
fn one_account_alone_does_not() {
    let bench = Bench::new();
    run(async {
        let reputation = opened(&bench, settings()).await;
        let names = [name("bad.test")];
        for _ in 0..500 {
            reputation.hear(&names, (AccountId(1), junk(None)), NOW);
            reputation.write(NOW).await.unwrap();
        }
        assert_eq!(repute(&reputation, "bad.test", NOW).await.unwrap().0, Repute::Unknown);
    });
}

#[test]
fn who_agrees_with_our_own_verdict_says_nothing_and_who_does_not_says_something() {
    let bench = Bench::new();
    run(async {
        let reputation = opened(&bench, settings()).await;
        let names = [name("a.test")];
        let word = |class, before| Word { class, before, filtered: true };
        let mut said = Vec::new();
        for (class, before) in [
            (Class::Spam, None),
            (Class::Ham, Some((Class::Spam, NOW))),
            (Class::Spam, Some((Class::Ham, NOW))),
        ] {
            reputation.count(&names, Evidence::Inbox(AccountId(1)));
            reputation.hear(&names, (AccountId(2), word(class, before)), NOW);
            let (mut known, _) = reputation.write(NOW).await.unwrap();
            let known = known.remove(0).standing.said();
            said.push((known.wanted.round() as u32, known.junk.round() as u32));
        }
        assert_eq!(said, [(0, 0), (1, 0), (0, 0)]);
        // Of who is not known nothing is kept for it.
        let others = [name("b.test")];
        reputation.hear(&others, (AccountId(2), word(Class::Spam, None)), NOW);
        reputation.hear(&others, (AccountId(2), word(Class::Spam, Some((Class::Ham, NOW)))), NOW);
        reputation.write(NOW).await.unwrap();
        assert_eq!((repute(&reputation, "b.test", NOW).await, reputation.count_known()), (None, 1));
    });
}

#[test]
fn what_nobody_proved_is_never_counted_against_a_domain() {
    let bench = Bench::new();
    run(async {
        let reputation = opened(&bench, settings()).await;
        let names = [name("forged.test"), name("192.0.2.7")];
        for _ in 0..100 {
            reputation.count(&names, Evidence::Forged);
            reputation.count(&names, Evidence::UnknownRecipient);
        }
        reputation.write(NOW).await.unwrap();
        assert_eq!(repute(&reputation, "forged.test", NOW).await, None);
        assert_eq!(repute(&reputation, "192.0.2.7", NOW).await.unwrap().0, Repute::Bad);
        reputation.count(&names, Evidence::Found);
        reputation.write(NOW).await.unwrap();
        assert_eq!(repute(&reputation, "forged.test", NOW).await.unwrap().0, Repute::Unknown);
    });
}

#[test]
fn what_is_remembered_is_bounded_and_who_says_least_goes_first() {
    let bench = Bench::new();
    run(async {
        let reputation = opened(&bench, Settings { senders_max: 20, ..settings() }).await;
        let telling = [name("known.test")];
        for _ in 0..10 {
            reputation.count(&telling, Evidence::Found);
        }
        reputation.write(NOW).await.unwrap();
        for number in 0..19 {
            reputation.count(&[name(&format!("{number}.test"))], Evidence::Found);
            reputation.write(NOW + number * DAY).await.unwrap();
        }
        assert_eq!(reputation.count_known(), 20, "as many as the limit");
        reputation.count(&[name("another.test")], Evidence::Found);
        reputation.write(NOW + 20 * DAY).await.unwrap();
        assert!(reputation.count_known() <= 20);
        let known = async |text: &str| repute(&reputation, text, NOW + 20 * DAY).await.is_some();
        assert!(known("another.test").await && known("known.test").await);
        assert!(!known("0.test").await, "the stalest");
        assert!(known("18.test").await);
        // More than the limit at once.
        for number in 0..50 {
            reputation.count(&[name(&format!("many{number}.test"))], Evidence::Found);
        }
        reputation.write(NOW + 21 * DAY).await.unwrap();
        assert!(reputation.count_known() <= 20);
        assert!(known("known.test").await && known("18.test").await, "they drive nobody else out");
        let mut count = 0;
        reputation.each(NOW + 21 * DAY, |_| count += 1).await.unwrap();
        assert_eq!(count, reputation.count_known());
    });
}

#[test]
fn what_has_faded_is_forgotten_and_so_is_who_is_named() {
    let bench = Bench::new();
    run(async {
        let reputation = opened(&bench, settings()).await;
        let strangers = Strangers::open(&bench.accounts).await.unwrap();
        let memory = Memory { since: 0, entries_max: 10 };
        strangers.meet("domain a.test", Met::default(), memory).await.unwrap();
        reputation.count(&[name("192.0.2.1")], Evidence::Inbox(AccountId(1)));
        reputation.count(&[name("a.test"), name("b.test")], Evidence::Found);
        reputation.write(NOW).await.unwrap();
        reputation.forget_faded(NOW + 18 * DAY).await.unwrap();
        assert_eq!(reputation.count_known(), 3);
        reputation.forget_faded(NOW + 19 * DAY).await.unwrap();
        assert_eq!(repute(&reputation, "192.0.2.1", NOW).await, None, "one message is forgotten");
        assert_eq!(reputation.count_known(), 2);
        reputation.count(&[name("a.test")], Evidence::Found);
        assert!(reputation.forget(&name("a.test")).await.unwrap());
        assert!(!reputation.forget(&name("a.test")).await.unwrap());
        reputation.write(NOW).await.unwrap();
        assert_eq!(repute(&reputation, "a.test", NOW).await, None);
        assert!(repute(&reputation, "b.test", NOW).await.is_some());
        assert!(strangers.met("domain a.test").await.unwrap().is_some(), "what is not of it stays");
    });
}

#[test]
fn names_cannot_be_read_in_the_store_and_one_write_is_one_commit() {
    let bench = Bench::new();
    run(async {
        let reputation = opened(&bench, settings()).await;
        let kv: Arc<dyn Kv> = bench.store.clone();
        let head = kv.head(STRANGERS).await.unwrap();
        for number in 0..100 {
            reputation.count(&[name(&format!("secret{number}.test"))], Evidence::Found);
        }
        reputation.write(NOW).await.unwrap();
        assert_eq!(kv.head(STRANGERS).await.unwrap(), head + 1);
        let all = Scan {
            account: STRANGERS,
            from: vec![0].into(),
            to: vec![u8::MAX].into(),
            reverse: false,
            entries_max: 1_000,
        };
        let found = kv.scan(all).await.unwrap();
        assert!(found.len() > 100);
        let told = |octets: &[u8]| octets.windows(6).any(|part| part == b"secret");
        assert!(!found.iter().any(|(key, value)| told(key) || told(value)));
    });
}

#[test]
fn nothing_is_counted_when_it_is_off() {
    let bench = Bench::new();
    run(async {
        let reputation = opened(&bench, Settings::default()).await;
        reputation.count(&[name("a.test")], Evidence::Found);
        reputation.hear(&[name("a.test")], (AccountId(1), junk(None)), NOW);
        assert_eq!(reputation.write(NOW).await.unwrap().0.len(), 0);
        assert_eq!(reputation.count_known(), 0);
    });
}
