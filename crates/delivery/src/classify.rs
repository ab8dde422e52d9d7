//! What the server and each recipient have learnt of junk, asked when mail comes in.
//!
//! Invariants: a recipient's book decides for that recipient alone; a book that knows too little
//! decides nothing; a failure decides nothing.

use account::{
    explain::{Explained, Reason, Word},
    junk::{Books, Learned},
};
use mail::AccountId;
use spam::{Kind, Tokens, Verdict};
use std::sync::Arc;

/// When it decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// From so many percent on a message is Junk.
    pub junk_percent_min: u32,
    /// So many messages of junk, and as many wanted ones, have to be learnt before it decides.
    pub lessons_min: u32,
}

/// Asks the books.
#[derive(Clone)]
pub struct Classifier {
    books: Arc<Books>,
    settings: Settings,
}

impl Classifier {
    /// Over these books.
    #[must_use]
    pub const fn new(books: Arc<Books>, settings: Settings) -> Self {
        Self { books, settings }
    }

    /// A message's tokens, if the books of any of these accounts know enough to judge it.
    pub(crate) async fn tokens(&self, accounts: &[AccountId], message: &[u8]) -> Option<Tokens> {
        for account in accounts {
            if self.knows_enough(*account).await {
                return Some(self.books.tokens(message));
            }
        }
        None
    }

    async fn knows_enough(&self, account: AccountId) -> bool {
        let learned = async |owner| self.books.learned(owner).await.unwrap_or_default();
        let Learned { wanted, junk } = learned(None).await;
        let own = learned(Some(account)).await;
        let least = self.settings.lessons_min.max(1);
        u32::from(wanted) + u32::from(own.wanted) >= least
            && u32::from(junk) + u32::from(own.junk) >= least
    }

    /// Writes down what is thought of a message for an account, and whether it is Junk.
    pub(crate) async fn judge(&self, account: AccountId, tokens: &Tokens, why: &mut Explained) {
        if !self.knows_enough(account).await {
            return;
        }
        let verdict = match self.books.verdict(account, tokens).await {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::error!(account = account.0, %error, "not classified");
                return;
            }
        };
        let junk = verdict.probability * 100.0 >= f64::from(self.settings.junk_percent_min);
        if junk {
            let text = format!(
                "it looks like mail that was called junk here ({:.1} %)",
                verdict.probability * 100.0
            );
            why.reasons.push(Reason { by: "CLASSIFIER".into(), score: 0.0, text });
            why.junk = true;
        }
        why.probability = Some(verdict.probability);
        why.words = words(verdict);
    }
}

fn words(verdict: Verdict) -> Vec<Word> {
    let word = |one: spam::Reason| Word {
        place: place(one.kind).into(),
        text: one.text,
        probability: one.probability,
    };
    verdict.reasons.into_iter().map(word).collect()
}

/// Where a token was found, in words.
const fn place(kind: Kind) -> &'static str {
    match kind {
        Kind::Word => "text",
        Kind::Subject | Kind::SubjectPair => "subject",
        Kind::Header => "header",
        Kind::From => "author's domain",
        Kind::Name => "author's name",
        Kind::Mailer => "mail program",
        Kind::Structure => "MIME",
        Kind::Html => "HTML",
        Kind::Link => "link",
        Kind::Attachment => "attachment",
        Kind::Writing => "way of writing",
    }
}
