//! `GET /reach`: whether each upstream answers, and how soon. It is asked for nothing (`HEAD /`) and gets no token, so
//! whatever it says is an answer. However many people look, it is asked once in a while only.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request};
use tokio::sync::Mutex;

use crate::config::settings::Upstream;
use crate::daemon::control::Context;
use crate::daemon::report::Date;
use crate::daemon::report::reach::{Reachability, Reached, VERSION};
use crate::model::time::{Clock, Mono, in_words};
use crate::net::api_client::ApiClient;
use crate::observe::text::shown;

/// How long an answer is news.
const FRESH: Duration = Duration::from_secs(10);
/// Who takes longer is no help to anybody who looks.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was found the last time.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Probe(Mutex<Option<(Mono, Reachability)>>);

impl Probe {
    /// How the upstreams were reached now, or moments ago. Who asks meanwhile waits for the same answer.
    pub(super) async fn reach(&self, context: &Context) -> Reachability {
        let mut last = self.0.lock().await;
        let now = context.clock.now();
        if let Some((at, known)) = &*last
            && now.mono.since(*at) < FRESH
        {
            return known.clone();
        }
        let of = |upstream: &Upstream| {
            let (name, url) = (upstream.proxy.name.to_string(), upstream.proxy.origin.to_string());
            let (api, clock) = (context.api.clone(), context.clock.clone());
            async move { probe(name, &url, &api, &clock).await }
        };
        let upstreams = join_all(context.upstreams.iter().map(of)).await;
        let reach = Reachability { version: VERSION, time: Date::of(Some(now.wall)), upstreams };
        *last = Some((context.clock.mono(), reach.clone()));
        reach
    }
}

async fn probe(upstream: String, url: &str, api: &ApiClient, clock: &Clock) -> Reached {
    let failed = |upstream: String, problem: &str| {
        let problem = Some(shown(problem, &[]));
        Reached { upstream, duration_us: None, status: None, problem }
    };
    let request = match Request::builder().method(Method::HEAD).uri(format!("{url}/")).body(Bytes::new()) {
        Ok(request) => request,
        Err(error) => return failed(upstream, &error.to_string()),
    };
    let began = clock.mono();
    match tokio::time::timeout(PATIENCE, api.call(request)).await {
        Ok(Ok(answer)) => Reached {
            upstream,
            duration_us: u64::try_from(clock.mono().since(began).as_micros()).ok(),
            status: Some(answer.status().as_u16()),
            problem: None,
        },
        Ok(Err(error)) => failed(upstream, &error.to_string()),
        Err(_) => failed(upstream, &format!("no answer within {}", in_words(PATIENCE))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn whatever_is_answered_is_an_answer_and_silence_is_none() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            String::from_utf8_lossy(&head[..read]).to_lowercase()
        };
        let (api, clock) = (ApiClient::direct(Duration::from_secs(20)).unwrap(), Clock::system());
        let url = format!("http://{address}");
        let (reached, asked) = tokio::join!(probe("a".to_owned(), &url, &api, &clock), serve);
        assert!(asked.starts_with("head / http/1.1") && !asked.contains("authorization"), "{asked}");
        assert_eq!((reached.status, &reached.problem, reached.is_well()), (Some(401), &None, true));
        assert!(reached.duration_us.is_some());
        drop(listener);
        let gone = probe("a".to_owned(), &url, &api, &clock).await;
        assert!(gone.status.is_none() && gone.problem.unwrap().contains("cannot connect"));
    }
}
