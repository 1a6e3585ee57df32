//! What a test may look at, and how it waits.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::cloud::Cloud;
use crate::cloud::counts::Counts;
use crate::wire::head::Head;
use crate::wire::request::RequestRecord;

/// So many requests are remembered.
const REMEMBERED: usize = 1000;

impl Cloud {
    /// The counters now.
    pub fn counts(&self) -> Counts {
        self.state.counts.borrow().clone()
    }

    /// Waits for the next change of the counters after this call.
    pub async fn changed(&self) {
        let mut receiver = self.state.counts.subscribe();
        // The sender lives in `self`, so the error (sender gone) cannot come.
        let _ = receiver.changed().await;
    }

    /// Waits until the counters satisfy a condition; the counters then, or `None` when the
    /// deadline passed first.
    pub async fn wait_until(&self, condition: impl FnMut(&Counts) -> bool, deadline: Duration) -> Option<Counts> {
        let mut receiver = self.state.counts.subscribe();
        let waiting = receiver.wait_for(condition);
        let found = tokio::time::timeout(deadline, waiting).await.ok()?;
        found.ok().map(|counts| counts.clone())
    }

    /// The last 1000 requests to any of the cloud's hosts (not to the page), oldest first.
    pub fn received(&self) -> Vec<RequestRecord> {
        self.state.records.lock().iter().cloned().collect()
    }

    /// Forgets the requests received so far.
    pub fn forget_received(&self) {
        self.state.records.lock().clear();
    }

    /// The safety rules that the newest access token is under.
    pub fn last_rules(&self) -> Option<String> {
        self.state.grants.lock().last_rules()
    }

    /// The policy that takes permissions away from the newest access token.
    pub fn last_boundary(&self) -> Option<String> {
        self.state.grants.lock().last_boundary()
    }

    /// Every secret that this stand-in ever handed out or knew: access tokens, refresh tokens,
    /// codes, client secrets, access key secrets, session tokens.
    pub fn issued_secrets(&self) -> BTreeSet<String> {
        self.state.secrets.lock().clone()
    }

    /// Starts the record of a request; its number.
    pub(crate) fn record(&self, connection: u64, head: &Head) -> u64 {
        let number = self.state.recorded.fetch_add(1, Ordering::SeqCst) + 1;
        let mut records = self.state.records.lock();
        if records.len() == REMEMBERED {
            records.pop_front();
        }
        records.push_back(RequestRecord::new(number, connection, head));
        number
    }

    /// Completes the record of a request once its body ended.
    pub(crate) fn record_body(&self, number: u64, length: u64, sha256: Option<String>) {
        let mut records = self.state.records.lock();
        if let Some(record) = records.iter_mut().rev().find(|record| record.number == number) {
            record.body_length = length;
            record.body_sha256 = sha256;
        }
        drop(records);
        self.count(|_| {}); // wakes those who wait for the record
    }
}
