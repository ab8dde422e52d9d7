//! Making an account's search index anew, a step for each request.

use super::{Admin, Failure, IndexReport, Reply};
use account::Account;
use std::sync::Arc;
use tokio::{runtime::Handle, task::spawn_blocking};

impl Admin {
    async fn indexed_account(&self, address: &str) -> Result<Arc<Account>, Failure> {
        let info = self.find(address).await?;
        self.accounts.account(info.id).await.map_err(Failure::ours)
    }

    pub(super) async fn index_drop(&self, address: &str) -> Result<Reply, Failure> {
        let account = self.indexed_account(address).await?;
        account.drop_index().await.map_err(Failure::ours)?;
        Ok(Reply::Done)
    }

    pub(super) async fn index_step(&self, address: &str) -> Result<Reply, Failure> {
        let account = self.indexed_account(address).await?;
        // Some seconds of work: not in a thread that serves connections.
        let (work, handle) = (Arc::clone(&account), Handle::current());
        let step = spawn_blocking(move || handle.block_on(work.index_step(1))).await;
        let step = step.map_err(Failure::ours)?.map_err(Failure::ours)?;
        let (messages, indexed) = account.indexed().await.map_err(Failure::ours)?;
        let mut report =
            IndexReport { messages, indexed, more: step.more, ..IndexReport::default() };
        if !step.more {
            let sizes = account.index_sizes().await.map_err(Failure::ours)?;
            report.index_octets = sizes.index_octets;
            report.compressed_octets = sizes.mail_octets;
        }
        Ok(Reply::Indexed(report))
    }
}
