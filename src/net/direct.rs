//! Connections to a service on this machine: over a Unix socket or plain TCP, past every proxy of the environment.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use crate::model::time::in_words;
use crate::net::patient::Patient;
use crate::net::pool::{Dial, Pool, Protocol, Wire};
use crate::net::watched::Watched;

/// A way to reach the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// A Unix socket.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String),
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// Connections to the first of `doors` that opens, looked for anew for each connection. `limit` is for each door.
pub fn through<B>(doors: Vec<Door>, limit: Duration) -> Pool<B> {
    let doors: Arc<[Door]> = doors.into();
    let dial: Dial = Box::new(move || {
        let doors = doors.clone();
        Box::pin(async move {
            let mut why = Vec::new();
            for door in doors.iter() {
                match tokio::time::timeout(limit, open(door)).await {
                    Ok(Ok(wire)) => return Ok(wire),
                    Ok(Err(error)) => why.push(format!("{door}: {error}")),
                    Err(_) => why.push(format!("{door}: no connection within {}", in_words(limit))),
                }
            }
            Err(why.join("; "))
        })
    });
    // Nobody reads how many there are.
    Pool::new(dial, Arc::default())
}

async fn open(door: &Door) -> std::io::Result<Wire> {
    let protocol = Protocol::Http1;
    match door {
        Door::Unix(path) => {
            let stream = Watched::new(UnixStream::connect(path).await?);
            Ok(Wire { rests: stream.watch(), io: Box::new(stream), protocol })
        }
        Door::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let stream = Patient::new(stream);
            Ok(Wire { rests: stream.watch(), io: Box::new(stream), protocol })
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{Request, StatusCode};
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;
    use crate::net::pool::StreamError;

    fn request() -> Request<Full<Bytes>> {
        Request::get("http://localhost/x").header("host", "localhost").body(Full::default()).unwrap()
    }

    #[tokio::test]
    async fn the_first_door_that_opens_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("open.sock");
        let listener = UnixListener::bind(&open).unwrap();
        let doors = vec![Door::Unix(directory.path().join("none.sock")), Door::Unix(open)];
        let pool = through(doors, Duration::from_secs(5));
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 16];
            stream.read_exact(&mut head).await.unwrap();
            assert!(head.starts_with(b"GET /x HTTP/1.1"), "{head:?}");
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        };
        let (answer, ()) = tokio::join!(pool.send(request()), served);
        assert_eq!(answer.unwrap().status(), StatusCode::NO_CONTENT);
    }

    #[tokio::test]
    async fn every_door_that_stays_shut_is_named() {
        let doors = vec![Door::Unix("/nonexistent/a.sock".into()), Door::Unix("/nonexistent/b.sock".into())];
        let Err(StreamError::Connect(why)) = through(doors, Duration::from_secs(5)).send(request()).await else {
            panic!("nobody is there")
        };
        assert!(why.contains("/nonexistent/a.sock: ") && why.contains("; /nonexistent/b.sock: "), "{why}");
    }
}
