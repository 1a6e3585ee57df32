//! nginx as the upstream: it ends each connection after a few requests, under load. No request may fail.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures_util::future::join_all;
use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};

use crate::support::prerequisites::{Need, lacks};
use crate::support::{PATIENCE, state_dir};
use crate::tls::{Identity, proxy_to};

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
/// Requests at once, and how often.
const CLIENTS: usize = 20;
const ROUNDS: usize = 50;

/// A running nginx. Killed when dropped.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Nginx {
    async fn start(directory: &Path, identity: &Identity, listen: &str, port: u16) -> Self {
        let file = directory.join("nginx.conf");
        let (certificate, key) = (identity.file("server.pem"), identity.file("key.pem"));
        // One process: a child of a killed one would live on.
        let text = format!(
            "daemon off; master_process off; pid {pid}; error_log stderr error;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; client_body_temp_path {at}; proxy_temp_path {at}; fastcgi_temp_path {at};\n\
             uwsgi_temp_path {at}; scgi_temp_path {at}; keepalive_requests 7; http2_max_concurrent_streams 3;\n\
             server {{ listen 127.0.0.1:{port} {listen};\n\
             ssl_certificate {certificate:?}; ssl_certificate_key {key:?};\n\
             location / {{ return 200 \"served\"; }} }} }}\n",
            pid = directory.join("pid").display(),
            at = directory.join("temp").display(),
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-p").arg(directory).args(["-e", "stderr"]).stdin(Stdio::null());
        let nginx = Self(command.spawn().unwrap());
        let up = async { while TcpStream::connect(("127.0.0.1", port)).await.is_err() {} };
        tokio::time::timeout(PATIENCE, up).await.expect("nginx listens");
        nginx
    }
}

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn no_request_fails(test: &str, scheme: &str, listen: &str) {
    if lacks(test, Need::Nginx) {
        return;
    }
    let (directory, identity, port) = (state_dir(), Identity::new(), free_port().await);
    let _nginx = Nginx::start(directory.path(), &identity, listen, port).await;
    let proxy = proxy_to(&format!("{scheme}://localhost:{port}"), &identity).await;
    let client = async |at: usize| {
        for round in 0..ROUNDS {
            let (status, _, body) = proxy.post(&format!("/call/{at}/{round}"), CALL).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, "served"), "client {at}, round {round}");
        }
    };
    join_all((0..CLIENTS).map(client)).await;
}

#[tokio::test]
async fn no_request_fails_when_nginx_ends_http2_connections_after_a_few() {
    no_request_fails("no_request_fails_when_nginx_ends_http2_connections_after_a_few", "https", "ssl http2").await;
}

#[tokio::test]
async fn no_request_fails_when_nginx_ends_http1_connections_after_a_few() {
    no_request_fails("no_request_fails_when_nginx_ends_http1_connections_after_a_few", "http", "").await;
}
