//! The pool against peers that a test plays frame by frame, in memory, on a clock that the test moves.

mod peer;

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{Empty, Full};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::io::InspectWriter;

use self::peer::*;
use super::*;

type Out = BoxBody<Bytes, Infallible>;
type Sent = JoinHandle<Result<Response<Incoming>, StreamError>>;

/// A pool, and the other ends of its connections as they are made.
struct World {
    pool: Arc<Pool<Out>>,
    peers: mpsc::UnboundedReceiver<DuplexStream>,
    dials: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

impl World {
    fn new(protocol: Protocol) -> Self {
        Self::with_delay(protocol, Duration::ZERO)
    }

    /// Connections take a while to be made.
    fn with_delay(protocol: Protocol, delay: Duration) -> Self {
        let (accepted, peers) = mpsc::unbounded_channel();
        let dials = Arc::new(AtomicUsize::new(0));
        let writes = Arc::new(AtomicUsize::new(0));
        let (dialled, written) = (dials.clone(), writes.clone());
        let dial: Dial = Box::new(move || {
            dialled.fetch_add(1, Ordering::SeqCst);
            let (accepted, written) = (accepted.clone(), written.clone());
            Box::pin(async move {
                tokio::time::sleep(delay).await;
                let (ours, theirs) = tokio::io::duplex(1024 * 1024);
                accepted.send(theirs).map_err(|_| "nobody listens".to_owned())?;
                let counted = InspectWriter::new(ours, move |_| _ = written.fetch_add(1, Ordering::SeqCst));
                Ok(Wire { io: Box::new(counted), rests: Box::new(|| true), protocol })
            })
        });
        let pool = Pool::new(dial, Arc::default());
        Self { pool: Arc::new(pool), peers, dials, writes }
    }

    fn send(&self, method: &str, body: Out) -> Sent {
        let request = Request::builder().method(method).uri("https://gw.example/mcp?x=1").header("host", "gw.example");
        let (pool, request) = (self.pool.clone(), request.body(body).unwrap());
        #[expect(clippy::disallowed_methods, reason = "the test joins it")]
        tokio::spawn(async move { pool.send(request).await })
    }

    fn get(&self) -> Sent {
        self.send("GET", Empty::new().boxed())
    }

    fn post(&self) -> Sent {
        self.send("POST", Full::from("hello").boxed())
    }

    async fn peer(&mut self) -> DuplexStream {
        self.peers.recv().await.unwrap()
    }

    fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }
}

async fn ok(sent: Sent) -> Response<Incoming> {
    sent.await.unwrap().unwrap()
}

async fn text(sent: Sent) -> Bytes {
    ok(sent).await.into_body().collect().await.unwrap().to_bytes()
}

async fn error(sent: Sent) -> StreamError {
    sent.await.unwrap().expect_err("no answer")
}

/// Lets everything run that can without time passing.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_the_limit_go_to_further_connections() {
    let mut world = World::new(Protocol::Http2);
    for limit in [1, 3] {
        let calls: Vec<Sent> = (0..6).map(|_| world.get()).collect();
        let mut peers = Vec::new();
        for _ in 0..6 / limit {
            peers.push(Peer::allowing(world.peer().await, limit).await);
        }
        for peer in &mut peers {
            for _ in 0..limit {
                let stream = peer.request().await;
                peer.head(stream, 0).await;
            }
        }
        let mut answers = Vec::new();
        for call in calls {
            answers.push(ok(call).await);
        }
        settle().await;
        assert!(world.peers.is_empty(), "no connection more than needed");
        world = World::new(Protocol::Http2);
    }
}

#[tokio::test(start_paused = true)]
async fn http2_writes_head_and_body_of_a_call_together() {
    let mut world = World::new(Protocol::Http2);
    let first = world.post();
    let mut peer = Peer::allowing(world.peer().await, 3).await;
    let stream = peer.request().await;
    peer.answer(stream, b"ok").await;
    text(first).await;
    settle().await;
    world.writes.store(0, Ordering::SeqCst);
    let second = world.post();
    let stream = peer.request().await;
    peer.frame(|frame| frame.kind == DATA && frame.stream == stream).await;
    assert_eq!(world.writes.load(Ordering::SeqCst), 1);
    peer.answer(stream, b"ok").await;
    text(second).await;
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_again_when_the_answer_has_ended_or_was_dropped() {
    let mut world = World::new(Protocol::Http2);
    let first = world.post();
    let mut peer = Peer::allowing(world.peer().await, 1).await;
    let stream = peer.request().await;
    peer.answer(stream, b"one").await;
    assert_eq!(text(first).await, "one");
    let second = world.post();
    let stream = peer.request().await;
    peer.head(stream, 0).await;
    drop(ok(second).await);
    assert_eq!(peer.was_reset(stream).await, CANCEL);
    let third = world.get();
    let stream = peer.request().await;
    peer.answer(stream, b"three").await;
    assert_eq!(text(third).await, "three");
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn c12_a_limit_that_is_lowered_later_holds_for_new_streams() {
    let mut world = World::new(Protocol::Http2);
    let mut calls: Vec<Sent> = (0..5).map(|_| world.get()).collect();
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(peer.request().await);
    }
    peer.allow(2).await;
    calls.push(world.get());
    let mut other = Peer::allowing(world.peer().await, 100).await;
    let stream = other.request().await;
    other.answer(stream, b"").await;
    for stream in streams {
        peer.answer(stream, b"").await;
    }
    for call in calls {
        text(call).await;
    }
    peer.allow(0).await;
    let last = world.get();
    let stream = other.request().await;
    other.answer(stream, b"x").await;
    assert_eq!((text(last).await, world.dials()), ("x".into(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_a_limit_gets_as_many_streams_as_are_good_for_it() {
    let mut world = World::new(Protocol::Http2);
    let calls: Vec<Sent> = (0..150).map(|_| world.get()).collect();
    let mut peers = [Peer::new(world.peer().await).await, Peer::new(world.peer().await).await];
    for (peer, streams) in peers.iter_mut().zip([100, 50]) {
        peer.write(SETTINGS, 0, 0, &[]).await;
        for _ in 0..streams {
            let stream = peer.request().await;
            peer.answer(stream, b"").await;
        }
    }
    for call in calls {
        text(call).await;
    }
    assert_eq!(world.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_streams_are_spread_over_connections_before_one_is_full() {
    let mut world = World::new(Protocol::Http2);
    let mut calls: Vec<Sent> = (0..spread::EASY).map(|_| world.get()).collect();
    let mut one = Peer::allowing(world.peer().await, 100).await;
    let mut two = Peer::allowing(world.peer().await, 100).await;
    calls.push(world.get());
    let mut streams = Vec::new();
    for _ in 0..spread::EASY {
        streams.push(one.request().await);
    }
    let stream = two.request().await;
    two.answer(stream, b"").await;
    // The oldest is preferred as soon as it has less to do, so that later ones run empty.
    one.answer(streams.remove(0), b"").await;
    text(calls.remove(0)).await;
    calls.push(world.get());
    streams.push(one.request().await);
    for stream in streams {
        one.answer(stream, b"").await;
    }
    for call in calls {
        text(call).await;
    }
    assert_eq!(world.dials(), 2);
    assert!(two.find(|_| false).await.is_none(), "what nobody uses any more is closed");
}

#[tokio::test(start_paused = true)]
async fn a_connection_for_ease_that_cannot_be_made_is_no_error_and_not_tried_at_once_again() {
    let mut world = World::new(Protocol::Http2);
    let mut calls = vec![world.get()];
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    world.peers.close();
    for round in 1..=2 {
        calls.extend((0..spread::EASY).map(|_| world.get()));
        for _ in 0..calls.len() {
            let stream = peer.request().await;
            peer.answer(stream, b"").await;
        }
        for call in calls.drain(..) {
            text(call).await;
        }
        assert_eq!(world.dials(), 2, "in round {round}");
    }
    tokio::time::sleep(Duration::from_secs(40)).await;
    calls.extend((0..spread::EASY).map(|_| world.get()));
    for _ in 0..calls.len() {
        let stream = peer.request().await;
        peer.answer(stream, b"").await;
    }
    for call in calls {
        text(call).await;
    }
    assert_eq!(world.dials(), 3, "after a while it is");
}

#[tokio::test(start_paused = true)]
async fn while_the_protocol_is_unknown_one_attempt_is_for_all() {
    let mut world = World::with_delay(Protocol::Http2, Duration::from_secs(1));
    let calls: Vec<Sent> = (0..30).map(|_| world.get()).collect();
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    for _ in 0..30 {
        let stream = peer.request().await;
        peer.answer(stream, b"").await;
    }
    for call in calls {
        text(call).await;
    }
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_fails_for_all_who_wait() {
    let dials = Arc::new(AtomicUsize::new(0));
    let dialled = dials.clone();
    let dial: Dial = Box::new(move || {
        dialled.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Err("no route".to_owned())
        })
    });
    let (_, peers) = mpsc::unbounded_channel();
    let tally = Arc::new(Tally::default());
    let (pool, writes) = (Arc::new(Pool::<Out>::new(dial, tally.clone())), Arc::default());
    let world = World { pool, peers, dials, writes };
    let calls: Vec<Sent> = (0..5).map(|_| world.post()).collect();
    for call in calls {
        assert_eq!(error(call).await.to_string(), "cannot connect: no route");
    }
    assert_eq!(world.dials(), 1);
    error(world.post()).await;
    assert_eq!(world.dials(), 2, "whoever comes later gets an attempt of its own");
    assert_eq!(tally.attempts_failed(), 2);
}

#[tokio::test(start_paused = true)]
async fn with_http1_each_waits_for_an_attempt_or_for_whoever_ends_first() {
    let mut world = World::with_delay(Protocol::Http1, Duration::from_secs(1));
    let first = world.get();
    let mut one = world.peer().await;
    let head = read_head(&mut one).await.unwrap();
    assert_eq!(head, "GET /mcp?x=1 HTTP/1.1\r\nhost: gw.example\r\n\r\n");
    let (second, third) = (world.get(), world.get());
    settle().await;
    assert_eq!(world.dials(), 3);
    answer_ok(&mut one).await;
    let began = Instant::now();
    text(first).await;
    read_head(&mut one).await.unwrap();
    answer_ok(&mut one).await;
    assert_eq!(text(second).await, "ok", "what becomes idle first serves whoever waits longest");
    read_head(&mut one).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(100));
    answer_ok(&mut one).await;
    text(third).await;
    let (_two, mut three) = (world.peer().await, world.peer().await);
    settle().await;
    let fourth = world.get();
    read_head(&mut three).await.unwrap();
    answer_ok(&mut three).await;
    assert_eq!(text(fourth).await, "ok", "attempts went on, and the newest connection is used first");
    assert_eq!(world.dials(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_wastes_no_connection() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut world = World::with_delay(protocol, Duration::from_secs(1));
        let leaves = world.get();
        settle().await;
        leaves.abort();
        let io = world.peer().await;
        settle().await;
        let comes = world.get();
        match protocol {
            Protocol::Http1 => {
                let mut io = io;
                read_head(&mut io).await.unwrap();
                answer_ok(&mut io).await;
            }
            Protocol::Http2 => {
                let mut peer = Peer::allowing(io, 1).await;
                let stream = peer.request().await;
                peer.answer(stream, b"ok").await;
            }
        }
        assert_eq!((text(comes).await, world.dials()), ("ok".into(), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn c13_a_kept_connection_that_was_closed_costs_no_request() {
    let mut world = World::new(Protocol::Http1);
    let mut calls: Vec<Sent> = (0..5).map(|_| world.get()).collect();
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut io = world.peer().await;
        read_head(&mut io).await.unwrap();
        kept.push(io);
    }
    for io in &mut kept {
        answer_ok(io).await;
    }
    for call in calls.drain(..) {
        text(call).await;
    }
    drop(kept);
    let call = world.post();
    let mut fresh = world.peer().await;
    read_head(&mut fresh).await.unwrap();
    answer_ok(&mut fresh).await;
    assert_eq!(text(call).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn c13_what_may_have_been_processed_is_told_from_what_was_not() {
    let mut world = World::new(Protocol::Http1);
    let call = world.post();
    let mut io = world.peer().await;
    read_head(&mut io).await.unwrap();
    drop(io);
    assert!(matches!(error(call).await, StreamError::Broken(_)), "a new connection has no excuse");
    let first = world.get();
    let mut io = world.peer().await;
    read_head(&mut io).await.unwrap();
    answer_ok(&mut io).await;
    text(first).await;
    let call = world.post();
    read_head(&mut io).await.unwrap();
    drop(io);
    assert!(matches!(error(call).await, StreamError::Stale(_)));
}

#[tokio::test(start_paused = true)]
async fn resets_are_told_from_each_other() {
    let mut world = World::new(Protocol::Http2);
    let (refused, broken) = (world.post(), world.post());
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    let (one, two) = (peer.request().await, peer.request().await);
    peer.reset(one, REFUSED_STREAM).await;
    peer.reset(two, INTERNAL_ERROR).await;
    let errors = [error(refused).await, error(broken).await];
    assert!(matches!(errors[0], StreamError::NotProcessed(_)), "{errors:?}");
    assert!(matches!(errors[1], StreamError::Stale(_)), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_reset_is_broken_whatever_the_code() {
    let mut world = World::new(Protocol::Http2);
    let mut peer = None;
    for code in [NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL] {
        let call = world.get();
        let peer = match &mut peer {
            Some(peer) => peer,
            None => peer.insert(Peer::allowing(world.peer().await, 1).await),
        };
        let stream = peer.request().await;
        peer.head(stream, 0).await;
        peer.write(DATA, 0, stream, b"half").await;
        let mut body = ok(call).await.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
        peer.reset(stream, code).await;
        assert!(body.frame().await.unwrap().is_err(), "{code}");
        assert!(body.frame().await.is_none() && body.is_end_stream());
    }
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_goaway_old_streams_finish_and_others_were_not_processed() {
    for code in [NO_ERROR, INTERNAL_ERROR] {
        let mut world = World::new(Protocol::Http2);
        let calls = [world.post(), world.post(), world.post()];
        let mut peer = Peer::allowing(world.peer().await, 100).await;
        let streams = [peer.request().await, peer.request().await, peer.request().await];
        peer.head(streams[0], 0).await;
        let [first, second, third] = calls;
        let first = ok(first).await;
        peer.go_away(streams[1], code).await;
        let refused = error(third).await;
        assert!(matches!(refused, StreamError::WentAway(_)), "{refused:?}");
        let elsewhere = world.post();
        let mut other = Peer::allowing(world.peer().await, 100).await;
        let stream = other.request().await;
        other.answer(stream, b"elsewhere").await;
        assert_eq!(text(elsewhere).await, "elsewhere");
        peer.answer(streams[1], b"second").await;
        assert_eq!(text(second).await, "second");
        peer.write(DATA, END_STREAM, streams[0], b"first").await;
        assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "first");
        assert!(peer.find(|_| false).await.is_none(), "closed when the last stream has ended");
        assert!(peer.never_saw(|frame| frame.kind == HEADERS), "nothing new after the GOAWAY");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_a_goaway_promised_to_process_and_that_broke_may_have_been() {
    let mut world = World::new(Protocol::Http2);
    let call = world.post();
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    let stream = peer.request().await;
    peer.go_away(stream, NO_ERROR).await;
    drop(peer);
    let broken = error(call).await;
    assert!(matches!(broken, StreamError::Broken(_)), "{broken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_is_gone_also_under_silent_streams() {
    let mut world = World::new(Protocol::Http2);
    let call = world.get();
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    let stream = peer.request().await;
    peer.head(stream, 0).await;
    let mut silent = ok(call).await.into_body();
    for _ in 0..10 {
        let ping = peer.frame(|frame| frame.kind == PING && frame.flags == 0).await;
        peer.write(PING, ACK, 0, &ping.payload).await;
    }
    let answered = Instant::now();
    assert!(silent.frame().await.unwrap().is_err());
    let took = answered.elapsed();
    assert!(took <= Duration::from_secs(40), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_no_settings_fails_those_who_wait_for_it() {
    let mut world = World::new(Protocol::Http2);
    let calls = [world.post(), world.post()];
    let _peer = Peer::new(world.peer().await).await;
    let [first, second] = calls;
    let told = [error(first).await, error(second).await];
    assert!(
        matches!(&told, [StreamError::Broken(_), StreamError::Connect(why)] if why.contains("SETTINGS")),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_and_used_ones_are_not() {
    let mut world = World::new(Protocol::Http1);
    let call = world.get();
    let mut io = world.peer().await;
    read_head(&mut io).await.unwrap();
    answer_ok(&mut io).await;
    text(call).await;
    let began = Instant::now();
    assert!(read_head(&mut io).await.is_none());
    assert_eq!(began.elapsed().as_secs(), 50);

    let mut world = World::new(Protocol::Http2);
    let (long, short) = (world.get(), world.get());
    let (mut one, mut two) = (Peer::allowing(world.peer().await, 1).await, Peer::allowing(world.peer().await, 1).await);
    let (first, second) = (one.request().await, two.request().await);
    one.head(first, 0).await;
    two.answer(second, b"").await;
    let long = ok(long).await;
    text(short).await;
    let began = Instant::now();
    tokio::select! {
        _ = two.frame(|frame| frame.kind == GOAWAY) => {}
        _ = one.find(|frame| frame.kind == GOAWAY) => panic!("a stream is open"),
    }
    assert_eq!(began.elapsed().as_secs(), 50);
    drop(long);
    assert_eq!(one.was_reset(first).await, CANCEL);
}

/// A body whose pieces a test gives one by one.
fn piecewise() -> (mpsc::UnboundedSender<&'static str>, Out) {
    let (give, mut pieces) = mpsc::unbounded_channel::<&'static str>();
    let frames = futures_util::stream::poll_fn(move |context| {
        pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(http_body::Frame::data(Bytes::from(piece)))))
    });
    (give, BodyExt::boxed(http_body_util::StreamBody::new(frames)))
}

#[tokio::test(start_paused = true)]
async fn interim_answers_are_told_in_both_protocols() {
    let mut request = Request::post("https://gw.example/mcp").header("host", "gw.example").body(()).unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    request.extensions_mut().insert(OnInterim::new(move |status| tell.send(status.as_u16()).unwrap()));
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut world = World::new(protocol);
        let (pool, request) = (world.pool.clone(), request.clone().map(|()| Full::from("hello").boxed()));
        #[expect(clippy::disallowed_methods, reason = "the test joins it")]
        let sent: Sent = tokio::spawn(async move { pool.send(request).await });
        match protocol {
            Protocol::Http1 => {
                let mut peer = world.peer().await;
                read_head(&mut peer).await.unwrap();
                peer.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
                assert_eq!((told.recv().await, told.recv().await), (Some(103), Some(100)));
                answer_ok(&mut peer).await;
                assert_eq!(text(sent).await, "ok");
            }
            Protocol::Http2 => {
                let mut peer = Peer::allowing(world.peer().await, 3).await;
                let stream = peer.request().await;
                peer.interim(stream, b"103").await;
                peer.interim(stream, b"100").await;
                assert_eq!((told.recv().await, told.recv().await), (Some(103), Some(100)));
                peer.answer(stream, b"ok").await;
                assert_eq!(text(sent).await, "ok");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_before_the_upload_is_complete_ends_it() {
    for reset in [true, false] {
        let mut world = World::new(Protocol::Http2);
        let (upload, body) = piecewise();
        let call = world.send("POST", body);
        let mut peer = Peer::allowing(world.peer().await, 1).await;
        let stream = peer.request().await;
        upload.send("begin").unwrap();
        peer.frame(|frame| frame.kind == DATA && frame.payload == b"begin").await;
        peer.answer(stream, b"enough").await;
        if reset {
            peer.reset(stream, NO_ERROR).await;
        }
        assert_eq!(text(call).await, "enough");
        if !reset {
            assert_eq!(peer.was_reset(stream).await, CANCEL);
        }
        let next = world.get();
        let stream = peer.request().await;
        peer.answer(stream, b"next").await;
        assert_eq!((text(next).await, world.dials()), ("next".into(), 1));
        upload.send("the rest").unwrap();
        settle().await;
        assert!(!upload.is_closed(), "the client may go on, and is read to its end");
        assert!(peer.never_saw(|frame| frame.kind == DATA));
    }
}

#[tokio::test(start_paused = true)]
async fn c2_a_request_that_is_given_up_is_cancelled_at_once_and_harms_no_other() {
    let mut world = World::new(Protocol::Http2);
    let (upload, body) = piecewise();
    let (given_up, other, uploading) = (world.get(), world.get(), world.send("POST", body));
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    let streams: HashSet<u32> = [peer.request().await, peer.request().await, peer.request().await].into();
    assert_eq!(streams, [1, 3, 5].into());
    given_up.abort();
    assert_eq!(peer.was_reset(1).await, CANCEL);
    uploading.abort();
    assert_eq!(peer.was_reset(5).await, CANCEL);
    upload.closed().await;
    peer.answer(3, b"other").await;
    assert_eq!(text(other).await, "other");
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_does_not_read_holds_up_nobody() {
    let mut world = World::new(Protocol::Http2);
    let idle = world.get();
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    let stream = peer.request().await;
    peer.head(stream, 0).await;
    let _unread = ok(idle).await;
    let window = peer.frame(|frame| frame.kind == WINDOW_UPDATE && frame.stream == 0).await.payload;
    let window = u32::from_be_bytes(window.try_into().unwrap()) + 65_535;
    let settings = peer.frame(|frame| frame.kind == SETTINGS && frame.flags == 0).await.payload;
    let setting = |id: u8| settings.chunks(6).find(|setting| setting[1] == id).map(|setting| &setting[2..]);
    let per_stream = u32::from_be_bytes(setting(4).unwrap().try_into().unwrap());
    assert!(window >= per_stream * 100, "{window} for 100 x {per_stream}");
    assert_eq!(setting(2).unwrap(), [0; 4], "no push");
    for _ in 0..per_stream / 16_384 {
        peer.write(DATA, 0, stream, &[b'x'; 16_384]).await;
    }
    for _ in 0..20 {
        let call = world.get();
        let stream = peer.request().await;
        peer.head(stream, 0).await;
        for _ in 0..10 {
            peer.write(DATA, 0, stream, &[b'y'; 16_000]).await;
        }
        peer.write(DATA, END_STREAM, stream, b"").await;
        assert_eq!(text(call).await.len(), 160_000);
    }
    assert_eq!(world.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_long_is_refused() {
    let mut world = World::new(Protocol::Http2);
    let call = world.get();
    let mut peer = Peer::allowing(world.peer().await, 100).await;
    let stream = peer.request().await;
    // :status 200, then one literal field "a" with a long value (RFC 7541 §6.2.2), in HEADERS and CONTINUATIONs.
    let mut block = vec![0x88, 0x00, 1, b'a', 0x7f];
    let mut rest = 70_000 - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    block.push(rest as u8);
    block.extend(vec![b'v'; 70_000]);
    let pieces: Vec<&[u8]> = block.chunks(16_384).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let kind = if at == 0 { HEADERS } else { 9 };
        let flags = if at + 1 == pieces.len() { END_HEADERS } else { 0 };
        peer.write(kind, flags, stream, piece).await;
    }
    assert!(matches!(error(call).await, StreamError::Broken(_)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_outlives_the_pool() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut world = World::new(protocol);
        let call = world.get();
        let io = world.peer().await;
        let body = match protocol {
            Protocol::Http1 => {
                let mut io = io;
                read_head(&mut io).await.unwrap();
                io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await.unwrap();
                let answer = ok(call).await;
                drop(world);
                settle().await;
                io.write_all(b"ok").await.unwrap();
                answer.into_body().collect().await
            }
            Protocol::Http2 => {
                let mut peer = Peer::allowing(io, 1).await;
                let stream = peer.request().await;
                peer.head(stream, 0).await;
                let answer = ok(call).await;
                drop(world);
                settle().await;
                peer.write(DATA, END_STREAM, stream, b"ok").await;
                answer.into_body().collect().await
            }
        };
        assert_eq!(body.unwrap().to_bytes(), "ok");
    }
}
