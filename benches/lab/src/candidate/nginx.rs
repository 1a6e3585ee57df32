//! nginx: one worker, a pool of kept connections with resumed TLS sessions, nothing buffered, access log on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::candidate::Place;
use crate::tls;

pub(super) fn command(directory: &Path, address: SocketAddr, place: &Place) -> anyhow::Result<Command> {
    // A worker of another user would not reach the directory of this run.
    let user = if geteuid().is_root() { "user root;" } else { "" };
    let config = format!(
        "{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {here}/nginx.pid;
error_log {here}/error.log warn;
events {{ worker_connections 32768; }}
http {{
    access_log {here}/access.log combined;
    client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
    sendfile on;
    tcp_nodelay on;
    keepalive_timeout 120s;
    keepalive_requests 100000000;
    client_max_body_size 256m;
    upstream lab {{
        server {upstream};
        keepalive 512;
        keepalive_requests 100000000;
        keepalive_timeout 50s;
    }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_pass https://lab;
            proxy_http_version 1.1;
            proxy_set_header Host {name};
            proxy_set_header Connection \"\";
            proxy_set_header Authorization \"Bearer {token}\";
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_connect_timeout 10s;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
            proxy_ssl_server_name on;
            proxy_ssl_name {name};
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {authority};
            proxy_ssl_session_reuse on;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
        }}
    }}
}}
",
        here = directory.display(),
        upstream = place.upstream,
        authority = place.authority.display(),
        name = tls::NAME,
        token = super::TOKEN,
    );
    let file = directory.join("nginx.conf");
    std::fs::write(&file, config)?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).arg("-e").arg(directory.join("error.log"));
    Ok(command)
}
