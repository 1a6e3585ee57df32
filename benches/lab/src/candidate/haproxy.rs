//! haproxy: one thread, connections to the server always reused, TLS sessions resumed, nothing held back, HTTP log on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::candidate::Place;
use crate::tls;

/// `protocol`: what it speaks to the upstream, as ALPN calls it.
pub(super) fn command(directory: &Path, address: SocketAddr, place: &Place, protocol: &str) -> anyhow::Result<Command> {
    let config = format!(
        "global
    nbthread 1
    maxconn {most}
    log stdout format raw local0 info
    ssl-server-verify required

defaults
    mode http
    log global
    option httplog
    option http-no-delay
    option abortonclose
    http-reuse always
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout http-request 10s
    timeout http-keep-alive 2m

frontend clients
    bind {address} backlog 4096
    http-request set-header authorization \"Bearer {token}\"
    http-request set-header host {name}
    default_backend upstream

backend upstream
    server lab {upstream} ssl verify required ca-file {authority} verifyhost {name} sni str({name}) alpn {protocol} pool-max-conn 512 pool-purge-delay 50s
",
        most = place.most_streams + 100,
        token = super::TOKEN,
        name = tls::NAME,
        upstream = place.upstream,
        authority = place.authority.display(),
    );
    let file = directory.join("haproxy.cfg");
    std::fs::write(&file, config)?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Ok(command)
}
