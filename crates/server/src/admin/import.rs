//! Importing, nothing twice: a journal for each account remembers what came in, by mailbox and
//! content.
//!
//! Invariants: before a batch is appended the journal durably says where it will go; after a crash
//! what did arrive is found there by content, so neither a message nor its record is lost or
//! doubled. The journal is of this installation only; it holds hashes, no mail.

use super::{Failure, ImportBatch, Reply, perform::Admin, perform::told};
use crate::admin::mailboxes::{flags_of, whole};
use account::{Account, MailboxName, NewMessage, Numbers};
use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use mail::{AccountId, MailboxId, NumberSet, Uid};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Mutex;

/// Journals held open; more are read anew when they are needed again.
const JOURNALS_MAX: usize = 8;
/// Rows looked at in one go after a crash.
const ROWS_PAGE: usize = 256;

type Hash = [u8; 32];

/// The journals.
pub struct Importer {
    folder: PathBuf,
    open: Mutex<HashMap<AccountId, Arc<Mutex<Journal>>>>,
}

/// What was imported into one account.
struct Journal {
    file: File,
    known: HashSet<Hash>,
    /// A batch that began and whose end is not written: the mailbox, and its next Uid before it.
    begun: Option<(MailboxId, Uid)>,
}

impl Importer {
    /// With its journals in the data folder.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self { folder: data.join("imports"), open: Mutex::default() }
    }

    /// The account is no more.
    pub fn forget(&self, id: AccountId) {
        let _ = fs::remove_file(self.path(id));
    }

    fn path(&self, id: AccountId) -> PathBuf {
        self.folder.join(format!("{id}.journal"))
    }

    async fn journal(&self, id: AccountId) -> io::Result<Arc<Mutex<Journal>>> {
        let mut open = self.open.lock().await;
        if let Some(journal) = open.get(&id) {
            return Ok(Arc::clone(journal));
        }
        fs::create_dir_all(&self.folder)?;
        let journal = Arc::new(Mutex::new(Journal::read(&self.path(id))?));
        if open.len() >= JOURNALS_MAX {
            open.retain(|_, journal| Arc::strong_count(journal) > 1);
        }
        open.insert(id, Arc::clone(&journal));
        Ok(journal)
    }
}

impl Journal {
    fn read(path: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut journal = Self { file, known: HashSet::new(), begun: None };
        for line in text.lines() {
            journal.line(line);
        }
        if !text.is_empty() && !text.ends_with('\n') {
            journal.file.write_all(b"\n")?;
        }
        Ok(journal)
    }

    /// `k HASH` known, `b MAILBOX UID` a batch begins, `e` it ended. A torn line says nothing.
    fn line(&mut self, line: &str) {
        let mut words = line.split(' ');
        match words.next() {
            Some("k") => {
                if let Some(hash) = words.next().and_then(unhex) {
                    self.known.insert(hash);
                }
            }
            Some("b") => {
                let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
                if let (Some(mailbox), Some(uid)) = (number(), number()) {
                    self.begun = Some((MailboxId(mailbox), Uid(uid)));
                }
            }
            Some("e") => self.begun = None,
            _ => {}
        }
    }

    fn begin(&mut self, mailbox: MailboxId, next: Uid) -> io::Result<()> {
        self.file.write_all(format!("b {mailbox} {next}\n").as_bytes())?;
        self.file.sync_data()?;
        self.begun = Some((mailbox, next));
        Ok(())
    }

    fn end(&mut self, hashes: &[Hash]) -> io::Result<()> {
        let mut lines = String::new();
        for hash in hashes {
            lines.push_str(&format!("k {}\n", hex(hash)));
        }
        lines.push_str("e\n");
        self.file.write_all(lines.as_bytes())?;
        self.known.extend(hashes);
        self.begun = None;
        Ok(())
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Hash> {
    let octet = |at: usize| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok();
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = octet(at)?;
    }
    (text.len() == 64).then_some(hash)
}

fn hash(mailbox: &MailboxName, body: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(mailbox.as_str().as_bytes());
    context.update(&[0]);
    context.update(body);
    let mut hash = [0; 32];
    hash.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

impl Admin {
    /// Appends what is not known yet, all or none of the batch.
    pub(super) async fn import(&self, batch: ImportBatch) -> Result<Reply, Failure> {
        let info = self.find(&batch.address).await?;
        let account = self.accounts.account(info.id).await.map_err(Failure::ours)?;
        let name = MailboxName::parse(&batch.mailbox).map_err(|e| told(e, &batch.mailbox))?;
        let mailbox = match account.mailbox(&name) {
            Some(found) => found.id,
            None => {
                account.create(&name, None).await.map_err(|error| told(error, &batch.mailbox))?
            }
        };
        let journal = self.importer.journal(info.id).await.map_err(Failure::ours)?;
        let mut journal = journal.lock().await;
        recover(&account, &mut journal).await?;
        let (mut hashes, mut messages) = (Vec::new(), Vec::new());
        let mut here = HashSet::new();
        let all = batch.messages.len();
        for message in batch.messages {
            let body =
                STANDARD.decode(&message.body).map_err(|_| Failure::refused("not base64"))?;
            let hash = hash(&name, &body);
            let known = journal.known.contains(&hash) && !batch.again;
            if known || !here.insert(hash) {
                continue;
            }
            hashes.push(hash);
            let mut new = NewMessage::new(Bytes::from(body));
            new.flags = flags_of(&message.flags);
            new.internal_date = message.internal_date;
            messages.push(new);
        }
        let imported = messages.len();
        if imported > 0 {
            let next = account.mailbox_by_id(mailbox).map_or(Uid(1), |info| info.uid_next);
            journal.begin(mailbox, next).map_err(Failure::ours)?;
            let appended = account.append(mailbox, messages).await;
            if let Err(error) = appended {
                if matches!(error, account::Error::Refused(_)) {
                    journal.end(&[]).map_err(Failure::ours)?;
                }
                return Err(told(error, &batch.mailbox));
            }
            journal.end(&hashes).map_err(Failure::ours)?;
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Reply::Imported { imported: count(imported), known: count(all - imported) })
    }
}

/// After a crash in the middle of a batch: what of it is in the mailbox counts as imported.
async fn recover(account: &Arc<Account>, journal: &mut Journal) -> Result<(), Failure> {
    let Some((mailbox, next)) = journal.begun else { return Ok(()) };
    let mut hashes = Vec::new();
    if let Some(info) = account.mailbox_by_id(mailbox) {
        let mut view = account.select(mailbox, true).map_err(Failure::ours)?;
        let set = NumberSet::of([(next.0, u32::MAX)]);
        let mut from = 1;
        loop {
            let rows = view.rows(&set, Numbers::Uid, from, ROWS_PAGE);
            let Some(last) = rows.last() else { break };
            from = last.sequence + 1;
            for row in &rows {
                if let Some((_, body)) = whole(account, row.message).await? {
                    hashes.push(hash(&info.name, &body));
                }
            }
        }
    }
    journal.end(&hashes).map_err(Failure::ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_read_back_and_torn_lines_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.journal");
        let one = hash(&MailboxName::inbox(), b"one");
        let two = hash(&MailboxName::inbox(), b"two");
        let mut journal = Journal::read(&path).unwrap();
        journal.begin(MailboxId(1), Uid(5)).unwrap();
        journal.end(&[one]).unwrap();
        journal.begin(MailboxId(1), Uid(6)).unwrap();
        drop(journal);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}k {}", &hex(&two)[..40])).unwrap();
        let journal = Journal::read(&path).unwrap();
        assert!(journal.known.contains(&one) && !journal.known.contains(&two));
        assert_eq!(journal.begun, Some((MailboxId(1), Uid(6))));
    }

    #[test]
    fn the_same_content_in_two_mailboxes_is_two() {
        assert_ne!(
            hash(&MailboxName::inbox(), b"x"),
            hash(&MailboxName::parse("A").unwrap(), b"x")
        );
        assert_eq!(unhex(&hex(&[7; 32])), Some([7; 32]));
        assert_eq!(unhex("zz"), None);
    }
}
