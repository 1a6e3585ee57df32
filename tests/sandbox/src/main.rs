//! The stand-in as a program: for the demo, and for tests that want a process of its own.
#![forbid(unsafe_code)]

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use mcp_proxy_sandbox::{Consent, Options, Sandbox};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A local stand-in for the cloud that mcp-proxy signs in to.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port of the cloud (TLS); 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    tls_port: u16,
    /// Port of the sign-in page and the admin interface; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    http_port: u16,
    /// Where the metadata service of a virtual machine listens; port 0 lets the system choose.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    metadata_listen: SocketAddr,
    /// What the sign-in page does.
    #[arg(long, value_enum, default_value_t = Consent::Ask)]
    consent: Consent,
    /// Where the CA certificate is written.
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,
    /// Where a JSON description is written once everything listens.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Before READY: a signal during the start must stop the program as well.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let sandbox = Sandbox::start(Options {
        tls_listen: local(arguments.tls_port),
        http_listen: local(arguments.http_port),
        metadata_listen: arguments.metadata_listen,
        consent: arguments.consent,
        ca_file: arguments.ca_file,
        ..Options::default()
    })
    .await?;
    describe(&sandbox, std::io::stdout().lock())?;
    if let Some(path) = &arguments.ready_file {
        write_ready_file(&sandbox, path)?;
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}

/// What a person needs to know; secrets stand only in the ready file.
fn describe(sandbox: &Sandbox, mut out: impl Write) -> std::io::Result<()> {
    let (key, _) = sandbox.access_key();
    writeln!(out, "mcp-proxy sandbox is ready")?;
    writeln!(out, "  cloud (TLS):    {}", sandbox.cloud_url())?;
    writeln!(out, "  sign-in, admin: {}", sandbox.page_url())?;
    writeln!(out, "  metadata:       {}", sandbox.metadata_url())?;
    writeln!(out, "  CA certificate: {}", sandbox.ca_file().display())?;
    writeln!(out, "  access key:     {key} of account {}", sandbox.account_uid())?;
    writeln!(out, "  MCP servers:")?;
    for server in sandbox.servers() {
        writeln!(out, "    {:<14} {}", server.name, server.mcp_path)?;
    }
    out.flush()
}

/// Whoever waits for the file must never read half of it, and nobody else may read the secret.
fn write_ready_file(sandbox: &Sandbox, path: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let (key_id, key_secret) = sandbox.access_key();
    let ready = json!({
        "cloud_url": sandbox.cloud_url(),
        "token_url": sandbox.token_url(),
        "page_url": sandbox.page_url(),
        "metadata_url": sandbox.metadata_url(),
        "ca_file": sandbox.ca_file(),
        "account_uid": sandbox.account_uid(),
        "access_key_id": key_id,
        "access_key_secret": key_secret,
        "servers": sandbox.servers(),
    });
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let write = || -> std::io::Result<()> {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        writeln!(file, "{ready:#}")?;
        std::fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
