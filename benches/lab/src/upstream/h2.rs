//! HTTP/2 at the upstream, by hyper.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::upstream::{Answer, EVENTS, PACE, Shared, Speaker};

/// How many streams a connection may have, as the vendor's gateway and many others have it.
const STREAMS: u32 = 128;

/// Serves a connection to its end.
pub(super) async fn serve<S>(io: S, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tasks = Tasks::default();
    let for_bodies = tasks.clone();
    let service = service_fn(move |request| answer(request, shared.clone(), for_bodies.clone()));
    // How it ends is the candidate's business.
    let _ = http2::Builder::new(tasks)
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(1024 * 1024)
        .serve_connection(TokioIo::new(io), service)
        .await;
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>, tasks: Tasks) -> Result<Response<Pieces>, Infallible> {
    let answer = shared.answer(request.uri().path());
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    let mut response = Response::builder().header("mcp-session-id", "6f1c2d3e4b5a69788796a5b4c3d2e1f0");
    let body = match answer {
        Answer::Json(bytes) => {
            response =
                response.header(header::CONTENT_TYPE, "application/json").header(header::CONTENT_LENGTH, bytes.len());
            Pieces::Whole(Some(bytes))
        }
        Answer::NotFound => {
            response = response.status(StatusCode::NOT_FOUND);
            Pieces::Whole(None)
        }
        answer @ (Answer::Events | Answer::Stream) => {
            response =
                response.header(header::CONTENT_TYPE, "text/event-stream").header(header::CACHE_CONTROL, "no-cache");
            let (pieces, body) = mpsc::channel(1);
            match answer {
                Answer::Stream => tasks.execute(speak(pieces, shared)),
                _ => tasks.execute(events(pieces, shared)),
            }
            Pieces::Coming(body)
        }
    };
    Ok(response.body(body).unwrap_or_default())
}

async fn events(pieces: mpsc::Sender<Bytes>, shared: Arc<Shared>) {
    for _ in 0..EVENTS {
        if pieces.send(shared.event.clone()).await.is_err() {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
}

async fn speak(pieces: mpsc::Sender<Bytes>, shared: Arc<Shared>) {
    let mut speaker = Speaker::new(shared.clone());
    let mut event = shared.stamped();
    while pieces.send(event).await.is_ok() {
        event = tokio::select! {
            event = speaker.next() => event,
            () = pieces.closed() => return,
        };
    }
}

/// The body of an answer.
enum Pieces {
    Whole(Option<Bytes>),
    Coming(mpsc::Receiver<Bytes>),
}

impl Default for Pieces {
    fn default() -> Self {
        Self::Whole(None)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take()),
            Self::Coming(pieces) => pieces.poll_recv(context),
        }
        .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }
}

/// The tasks of one connection, which end with it.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
