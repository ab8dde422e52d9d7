//! The verdict: Robinson's estimate for each token, the account's upon the server's, combined by
//! Fisher's method (Robinson, "A statistical approach to the spam problem", 2003).

use crate::page::Counts;
use crate::train::Book;
use crate::{Kind, Token, Tokens, Totals, chi};

/// The estimate for a token that was never seen (Robinson's x).
const UNKNOWN: f64 = 0.5;
/// How many messages' worth that estimate weighs (Robinson's s).
const UNKNOWN_WEIGHT: f64 = 1.0;
/// How many messages' worth of the account's counts the server's estimate weighs.
const SERVER_WEIGHT: f64 = 1.0;
/// Tokens nearer to one half than this say nothing.
const DEVIATION_MIN: f64 = 0.15;
/// How much what a message looks like counts for itself: its header, structure, HTML and links,
/// which a sender can less easily dilute with harmless words than the text.
const LOOKS_WEIGHT: f64 = 0.25;
/// Tokens that a verdict counts, strongest first.
const TELLING_MAX: usize = 150;
/// Tokens of HTML that a verdict counts: a program that writes some of its forms writes all of
/// them, so that more of them say the same again, while Fisher's method takes them for
/// independent. Wanted mail in HTML was taken for junk for it.
const HTML_TELLING_MAX: usize = 2;
/// From this probability on a message is probably junk: measured so that less than one wanted
/// message in a thousand is taken for junk (docs/decisions/0007-junk-is-learnt.md).
pub const JUNK_MIN: f64 = 0.76;
/// Reasons that a verdict gives.
const REASONS_MAX: usize = 12;

/// Why a message was judged so: a token and how much it speaks for junk.
#[derive(Clone, PartialEq, Debug)]
pub struct Reason {
    /// Where the token was found.
    pub kind: Kind,
    /// The token for people; it is of the message's own words.
    pub text: String,
    /// Between 0, wanted, and 1, junk.
    pub probability: f64,
}

/// What is thought of a message.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// Between 0, wanted, and 1, junk; one half when nothing is known.
    pub probability: f64,
    /// Tokens that counted.
    pub telling: usize,
    /// The strongest of them.
    pub reasons: Vec<Reason>,
}

/// Judges a message by what the server and the account have learnt. Where the account has seen a
/// token, its own counts weigh more, the more it has seen of it.
#[must_use]
pub fn score(tokens: &Tokens, server: &Book, account: &Book) -> Verdict {
    let mut telling: Vec<(f64, &Token)> = Vec::new();
    for token in tokens.list() {
        let known = estimate(UNKNOWN, UNKNOWN_WEIGHT, server.counts(token.hash), server.totals());
        let counts = account.counts(token.hash);
        let known = estimate(known, SERVER_WEIGHT, counts, account.totals());
        if (known - 0.5).abs() >= DEVIATION_MIN {
            telling.push((known, token));
        }
    }
    let strength = |(known, _): &(f64, &Token)| -(known - 0.5).abs();
    telling.sort_by(|a, b| strength(a).total_cmp(&strength(b)));
    let mut of_html = 0;
    telling.retain(|(_, token)| {
        of_html += usize::from(token.kind == Kind::Html);
        token.kind != Kind::Html || of_html <= HTML_TELLING_MAX
    });
    telling.truncate(TELLING_MAX);
    let all = combined(telling.iter().map(|(known, _)| *known));
    let looks = telling.iter().filter(|(_, token)| token.kind != Kind::Word);
    let looks = combined(looks.map(|(known, _)| *known));
    let reasons = telling.iter().take(REASONS_MAX).map(|(known, token)| Reason {
        kind: token.kind,
        text: tokens.text(token),
        probability: *known,
    });
    Verdict {
        probability: all.mul_add(1.0 - LOOKS_WEIGHT, looks * LOOKS_WEIGHT),
        telling: telling.len(),
        reasons: reasons.collect(),
    }
}

/// Fisher's method, for junk and against it: near 1 where the tokens are more for junk than chance
/// would have them, near 0 where they are more against it; of none, one half.
fn combined(known: impl Iterator<Item = f64>) -> f64 {
    let (mut pairs, mut against, mut for_it) = (0, 0.0, 0.0);
    for known in known {
        pairs += 1;
        against -= (1.0 - known).ln();
        for_it -= known.ln();
    }
    let junk = 1.0 - chi::at_least(against, pairs);
    let wanted = 1.0 - chi::at_least(for_it, pairs);
    f64::midpoint(1.0 + junk, -wanted)
}

/// How much a token speaks for junk: its counts, and what was thought before them.
fn estimate(before: f64, weight: f64, counts: Counts, totals: &Totals) -> f64 {
    let seen = f64::from(counts.ham) + f64::from(counts.spam);
    // What was learnt of one class only tells of that class, not of the difference.
    if seen == 0.0 || totals.ham == 0 || totals.spam == 0 {
        return before;
    }
    let ham = f64::from(counts.ham) / f64::from(totals.ham);
    let spam = f64::from(counts.spam) / f64::from(totals.spam);
    let counted = spam / (spam + ham);
    ((weight * before + seen * counted) / (weight + seen)).clamp(1e-6, 1.0 - 1e-6)
}
