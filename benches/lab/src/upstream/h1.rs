//! HTTP/1.1 at the upstream: as little as a request needs, so that the load is what the CPU is for.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::upstream::{Answer, EVENTS, PACE, Shared, Speaker};

const ROOM: usize = 16 * 1024;
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
    mcp-session-id: 6f1c2d3e4b5a69788796a5b4c3d2e1f0\r\ntransfer-encoding: chunked\r\n\r\n";

/// Answers one request after the other.
pub(super) async fn serve<S>(mut io: S, shared: &Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = BytesMut::new();
    let mut out = Vec::new();
    loop {
        let Some((path, mut left)) = head(&mut io, &mut buffer).await? else { return Ok(()) };
        loop {
            let here = left.min(buffer.len());
            buffer.advance(here);
            left -= here;
            if left == 0 {
                break;
            }
            buffer.reserve(ROOM);
            if io.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        out.clear();
        match shared.answer(&path) {
            Answer::Json(body) => {
                out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
                out.extend_from_slice(b"mcp-session-id: 6f1c2d3e4b5a69788796a5b4c3d2e1f0\r\n");
                out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
                out.extend_from_slice(&body);
                write(&mut io, &out).await?;
            }
            Answer::Events => {
                out.extend_from_slice(STREAM_HEAD);
                for _ in 0..EVENTS {
                    chunk(&mut out, &shared.event);
                    write(&mut io, &out).await?;
                    out.clear();
                    tokio::time::sleep(PACE).await;
                }
                write(&mut io, b"0\r\n\r\n").await?;
            }
            Answer::Stream => return stream(io, shared).await,
            Answer::NotFound => write(&mut io, b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?,
        }
    }
}

/// Path and body length of the next request; `None` at the end of the connection.
async fn head<S: AsyncRead + Unpin>(io: &mut S, buffer: &mut BytesMut) -> io::Result<Option<(String, usize)>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            let text = String::from_utf8_lossy(&head);
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let length = text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            return Ok(Some((path, length.unwrap_or(0))));
        }
        buffer.reserve(ROOM);
        if io.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

async fn stream<S: AsyncRead + AsyncWrite + Unpin>(mut io: S, shared: &Arc<Shared>) -> io::Result<()> {
    let mut speaker = Speaker::new(shared.clone());
    let mut out = STREAM_HEAD.to_vec();
    chunk(&mut out, &shared.stamped());
    write(&mut io, &out).await?;
    let mut waste = [0; 64];
    loop {
        tokio::select! {
            event = speaker.next() => {
                let mut out = Vec::new();
                chunk(&mut out, &event);
                write(&mut io, &out).await?;
            }
            // Nothing is asked for any more: whatever comes is the end.
            _ = io.read(&mut waste) => return Ok(()),
        }
    }
}

fn chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

async fn write<S: AsyncWrite + Unpin>(io: &mut S, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await
}
