//! Making an account's search index anew, a step for each request.

use super::{Admin, Failure, IndexReport, Reply};
use account::Account;
use std::sync::Arc;

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
        let step = account.index_step(1).await.map_err(Failure::ours)?;
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
