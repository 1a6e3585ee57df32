//! Both ends of an exchange in one hand: a client and an upstream that write scripted bytes, and see every byte that
//! reaches them. No step looks at a clock: a step that waits for something ends when that is there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::message::{Message, Reader};
use crate::support::PATIENCE;

/// One step of a script. They are done one after the other, whichever end they belong to.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// The client writes.
    Ask(Vec<u8>),
    /// The client ends its sending side and goes on reading.
    AskNoMore,
    /// The client goes away.
    Leave,
    /// The upstream waits for a whole request.
    Hear,
    /// The upstream waits for the head of a request and so much of its body.
    HearPart(usize),
    /// The upstream waits until nothing more can come of the request.
    HearEnd,
    /// The upstream writes.
    Say(Vec<u8>),
    /// The upstream closes the connection.
    Close,
    /// The upstream resets the connection.
    Reset,
    /// Somebody writes a file.
    Write(PathBuf, &'static str),
    /// The client waits for `100 Continue`.
    ReadContinue,
    /// The client waits for a whole answer.
    Read,
    /// The client waits for the head of an answer and so much of its body.
    ReadPart(usize),
    /// The client waits until nothing more can come.
    ReadEnd,
}

/// What reached both ends.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What the upstream got.
    pub(crate) requests: Vec<Message>,
    /// What the client got, interim answers included.
    pub(crate) answers: Vec<Message>,
}

enum Event {
    Opened(Link),
    Bytes(Vec<u8>),
    Ended { clean: bool },
}

/// A connection as its owner holds it.
struct Link {
    writer: OwnedWriteHalf,
    reading: AbortHandle,
}

impl Link {
    /// Ends the connection so that the other side sees a reset, not an end.
    fn reset(self) {
        self.writer.as_ref().set_zero_linger().expect("a socket can be told to linger");
        // Dropped, it would end the sending side first.
        self.writer.forget();
        self.reading.abort();
    }
}

/// Reads a connection until it ends, and tells what came.
async fn tell(id: usize, mut reader: OwnedReadHalf, events: mpsc::UnboundedSender<(usize, Event)>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let event = match reader.read(&mut buffer).await {
            Ok(0) => Event::Ended { clean: true },
            Ok(length) => Event::Bytes(buffer[..length].to_vec()),
            Err(_) => Event::Ended { clean: false },
        };
        let last = matches!(event, Event::Ended { .. });
        if events.send((id, event)).is_err() || last {
            return;
        }
    }
}

/// An upstream whose every byte is scripted. It listens for as long as it lives.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    events: mpsc::UnboundedReceiver<(usize, Event)>,
    peers: BTreeMap<usize, Peer>,
    _tasks: JoinSet<()>,
}

/// A connection to the upstream.
struct Peer {
    link: Option<Link>,
    requests: Reader,
    ended: bool,
    /// How many of its requests a script has heard to their end.
    heard: usize,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut readers = JoinSet::new();
            for id in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (reader, writer) = split(stream);
                let (opened, go) = tokio::sync::oneshot::channel();
                let events = sender.clone();
                let reading = readers.spawn(async move {
                    if go.await.is_ok() {
                        tell(id, reader, events).await;
                    }
                });
                if sender.send((id, Event::Opened(Link { writer, reading }))).is_err() || opened.send(()).is_err() {
                    return;
                }
            }
        });
        Self { address, events, peers: BTreeMap::new(), _tasks: tasks }
    }

    async fn next(&mut self) {
        let (id, event) = self.events.recv().await.expect("the upstream listens");
        if let Event::Opened(link) = event {
            let peer = Peer { link: Some(link), requests: Reader::of_requests(), ended: false, heard: 0 };
            self.peers.insert(id, peer);
            return;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match event {
            Event::Opened(_) => {}
            Event::Bytes(bytes) => peer.requests.feed(&bytes),
            Event::Ended { clean } => {
                peer.requests.end(clean);
                peer.ended = true;
            }
        }
    }

    /// Waits for an open connection of which this is true.
    async fn until(&mut self, fits: impl Fn(&Peer) -> bool) -> usize {
        loop {
            if let Some((id, _)) = self.peers.iter().find(|(_, peer)| peer.link.is_some() && fits(peer)) {
                return *id;
            }
            self.next().await;
        }
    }

    /// Ends all connections, and waits until the other side has ended them too, so that nothing is used again.
    async fn end_all(&mut self) -> Vec<Message> {
        loop {
            // One that was opened for nothing may still come.
            self.peers.values_mut().for_each(|peer| peer.link = None);
            if self.peers.values().all(|peer| peer.ended) {
                break;
            }
            self.next().await;
        }
        std::mem::take(&mut self.peers).into_values().flat_map(|peer| peer.requests.messages).collect()
    }
}

fn split(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    stream.set_nodelay(true).expect("a socket can be told not to wait");
    stream.into_split()
}

/// The client's end.
struct Client {
    link: Option<Link>,
    events: mpsc::UnboundedReceiver<(usize, Event)>,
    answers: Reader,
    /// What it wrote itself: the methods tell how answers end.
    asked: Reader,
    read: usize,
    ended: bool,
    _tasks: JoinSet<()>,
}

impl Client {
    async fn connect(to: SocketAddr) -> Self {
        let (reader, writer) = split(TcpStream::connect(to).await.unwrap());
        let (sender, events) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let reading = tasks.spawn(tell(0, reader, sender));
        Self {
            link: Some(Link { writer, reading }),
            events,
            answers: Reader::of_answers(),
            asked: Reader::of_requests(),
            read: 0,
            ended: false,
            _tasks: tasks,
        }
    }

    async fn ask(&mut self, bytes: &[u8]) {
        let before = self.asked.messages.len();
        self.asked.feed(bytes);
        for message in &self.asked.messages[before..] {
            self.answers.expect_answer_to(message.line.split(' ').next().unwrap_or_default());
        }
        // Whoever answers early may close before all is written; what counts is what is read.
        let _ = self.link.as_mut().expect("the client is there").writer.write_all(bytes).await;
    }

    async fn until(&mut self, fits: impl Fn(&Self) -> bool) {
        while !fits(self) {
            let event = self.events.recv().await.expect("more to read than the connection had");
            match event.1 {
                Event::Opened(_) => {}
                Event::Bytes(bytes) => self.answers.feed(&bytes),
                Event::Ended { clean } => {
                    self.answers.end(clean);
                    self.ended = true;
                }
            }
        }
    }

    /// The next final answer that no step has read yet.
    fn answer(&self) -> Option<&Message> {
        self.answers.messages.iter().filter(|message| !message.is_interim()).nth(self.read)
    }
}

/// Plays a script with the client at `to`, and says what reached both ends.
///
/// # Panics
/// When a step waits for something that does not come.
pub(crate) async fn play(upstream: &mut Upstream, to: SocketAddr, script: &[Step], name: &str) -> Seen {
    let mut client = Client::connect(to).await;
    let mut current = None;
    for (number, step) in script.iter().enumerate() {
        let doing = perform(step, &mut client, upstream, &mut current);
        if tokio::time::timeout(PATIENCE, doing).await.is_err() {
            let heard: Vec<_> = upstream.peers.values().flat_map(|peer| &peer.requests.messages).collect();
            panic!("{name}: step {number} ({step:?}) does not end: {:?}; {heard:?}", client.answers.messages);
        }
    }
    client.link = None;
    let ending = tokio::time::timeout(PATIENCE, upstream.end_all());
    let requests = ending.await.unwrap_or_else(|_| panic!("{name}: connections to the upstream are not ended"));
    Seen { requests, answers: client.answers.messages }
}

async fn perform(step: &Step, client: &mut Client, upstream: &mut Upstream, current: &mut Option<usize>) {
    match step {
        Step::Ask(bytes) => client.ask(bytes).await,
        Step::AskNoMore => client.link.as_mut().unwrap().writer.shutdown().await.unwrap(),
        Step::Leave => client.link.take().unwrap().reset(),
        Step::Hear => {
            let complete = |peer: &Peer| peer.requests.messages.get(peer.heard).is_some_and(|next| next.complete);
            let id = upstream.until(complete).await;
            upstream.peers.get_mut(&id).unwrap().heard += 1;
            *current = Some(id);
        }
        Step::HearPart(length) => {
            let begun = |peer: &Peer| peer.requests.messages.get(peer.heard).is_some_and(|m| m.body.len() >= *length);
            *current = Some(upstream.until(begun).await);
        }
        Step::HearEnd => {
            let id = current.expect("a request was heard");
            while !upstream.peers[&id].ended {
                upstream.next().await;
            }
        }
        Step::Say(bytes) => {
            let link = upstream.peers.get_mut(&current.expect("a request was heard")).unwrap().link.as_mut();
            link.unwrap().writer.write_all(bytes).await.expect("the answer can be written");
        }
        Step::Close => upstream.peers.get_mut(&current.unwrap()).unwrap().link = None,
        Step::Reset => {
            let peer = upstream.peers.get_mut(&current.unwrap()).unwrap();
            peer.link.take().unwrap().reset();
            peer.ended = true;
        }
        Step::Write(file, text) => std::fs::write(file, text).unwrap(),
        Step::ReadContinue => {
            client.until(|client| client.answers.messages.iter().any(|answer| answer.status() == 100)).await;
        }
        Step::Read => {
            client.until(|client| client.answer().is_some_and(|answer| answer.complete)).await;
            client.read += 1;
        }
        Step::ReadPart(length) => {
            client.until(|client| client.answer().is_some_and(|answer| answer.body.len() >= *length)).await;
        }
        Step::ReadEnd => client.until(|client| client.ended).await,
    }
}
