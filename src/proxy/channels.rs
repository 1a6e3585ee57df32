//! The event streams of HTTP+SSE (MCP 2024-11-05) whose clients have rules: messages are posted to one address, and
//! their answers come in a stream that another address opened. Who refuses such a message answers it there, for its
//! client reads no answer to the POST.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;

/// So many answers may wait for the end of an event.
const WAITING: usize = 64;

/// The open streams of one upstream, by the address (path and query) that takes their messages.
#[derive(Debug, Default)]
pub(super) struct Channels(Arc<Mutex<HashMap<String, Vec<Entry>>>>);

#[derive(Debug)]
struct Entry {
    opened: String,
    say: mpsc::Sender<Bytes>,
}

/// An open stream, which is known for as long as this lives.
#[derive(Debug)]
pub(super) struct Channel {
    channels: Arc<Mutex<HashMap<String, Vec<Entry>>>>,
    opened: String,
    say: mpsc::Sender<Bytes>,
    named: Mutex<Option<String>>,
}

/// What is to be said in a stream beside what the upstream says.
#[derive(Debug)]
pub(super) struct Inbox {
    said: mpsc::Receiver<Bytes>,
    _channel: Arc<Channel>,
}

impl Channels {
    /// A stream that `address` opened. Its endpoint is not known yet.
    pub(super) fn open(&self, address: String) -> (Arc<Channel>, Inbox) {
        let (say, said) = mpsc::channel(WAITING);
        let (channels, named) = (self.0.clone(), Mutex::default());
        let channel = Arc::new(Channel { channels, opened: address, say, named });
        (channel.clone(), Inbox { said, _channel: channel })
    }

    /// The address that opened the stream whose messages go to `endpoint`, if that is one address.
    pub(super) fn opened(&self, endpoint: &str) -> Option<String> {
        let all = lock(&self.0);
        let (first, others) = all.get(endpoint)?.split_first()?;
        others.iter().all(|other| other.opened == first.opened).then(|| first.opened.clone())
    }

    /// Says an event in the stream whose messages go to `endpoint`; false if there is none, or not one alone.
    pub(super) fn say(&self, endpoint: &str, event: Bytes) -> bool {
        let all = lock(&self.0);
        match all.get(endpoint).map(Vec::as_slice) {
            Some([only]) => only.say.try_send(event).is_ok(),
            _ => false,
        }
    }
}

impl Channel {
    /// The stream has named the address that takes its messages.
    pub(super) fn named(&self, endpoint: String) {
        let mut named = lock(&self.named);
        if named.is_none() {
            let entry = Entry { opened: self.opened.clone(), say: self.say.clone() };
            lock(&self.channels).entry(endpoint.clone()).or_default().push(entry);
            *named = Some(endpoint);
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let Some(endpoint) = lock(&self.named).take() else { return };
        let mut all = lock(&self.channels);
        if let Some(entries) = all.get_mut(&endpoint) {
            entries.retain(|entry| !entry.say.same_channel(&self.say));
            if entries.is_empty() {
                all.remove(&endpoint);
            }
        }
    }
}

impl Inbox {
    /// What is to be said next; never ready after all was said.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        match self.said.poll_recv(context) {
            Poll::Ready(Some(event)) => Poll::Ready(event),
            _ => Poll::Pending,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_stream_is_known_by_its_endpoint_for_as_long_as_it_lives() {
        let channels = Channels::default();
        let (channel, mut inbox) = channels.open("/sse".to_owned());
        assert_eq!(channels.opened("/m?s=1"), None);
        channel.named("/m?s=1".to_owned());
        channel.named("/m?s=2".to_owned());
        assert_eq!(channels.opened("/m?s=1").as_deref(), Some("/sse"));
        assert_eq!(channels.opened("/m?s=2"), None, "a stream names one endpoint");
        drop(channel);
        assert!(channels.say("/m?s=1", Bytes::from_static(b"x")));
        assert_eq!(poll_fn(|context| inbox.poll(context)).await, "x");
        drop(inbox);
        assert!(channels.opened("/m?s=1").is_none() && !channels.say("/m?s=1", Bytes::new()));
        assert!(lock(&channels.0).is_empty());
    }

    #[test]
    fn where_streams_share_an_endpoint_nothing_is_said() {
        let channels = Channels::default();
        let (one, _first) = channels.open("/a".to_owned());
        let (other, second) = channels.open("/a".to_owned());
        let (third, _third) = channels.open("/b".to_owned());
        one.named("/m".to_owned());
        other.named("/m".to_owned());
        assert!(!channels.say("/m", Bytes::new()), "nobody knows which one the client reads");
        assert_eq!(channels.opened("/m").as_deref(), Some("/a"));
        third.named("/m".to_owned());
        assert_eq!(channels.opened("/m"), None);
        drop((third, _third, other, second));
        assert!(channels.say("/m", Bytes::new()));
    }
}
