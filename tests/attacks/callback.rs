//! Forged callbacks (rows B1, B2), and strangers at the control socket.

use std::process::{Command, Stdio};

use http::StatusCode;

use crate::support::person::{authorize_url, follow, logins};
use crate::support::prerequisites::{Need, lacks};
use crate::support::program::{Program, command};
use crate::support::{sandbox, state_dir};
use crate::wire::Victim;

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_forged_callback_changes_nothing_and_the_real_one_works_once() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let mut login = Program::start(command(&sandbox, directory.path(), "", &["login", "--no-browser"]));
    let callback = sandbox.approve(&authorize_url(&mut login)).unwrap();
    let (base, query) = callback.split_once('?').unwrap();
    let of = |name: &str| query.split('&').find(|pair| pair.starts_with(&format!("{name}="))).unwrap().to_owned();
    let (code, state) = (of("code"), of("state"));
    let exchanges = sandbox.cloud().counts().code_exchanges;
    for forged in [
        String::new(),
        code.clone(),
        format!("{code}&state="),
        format!("{code}&state=guessed"),
        format!("{code}&{state}x"),
        format!("{code}&{}", &state[..state.len() - 1]),
        format!("{code}&state=guessed&{state}"),
        "error=access_denied".to_owned(),
        "error=access_denied&state=guessed".to_owned(),
        "code=&state=".to_owned(),
        format!("code={}&state=guessed", "a".repeat(20_000)),
        "code=%0d%0aX&state=%00".to_owned(),
    ] {
        let (status, headers, page) = follow(&format!("{base}?{forged}")).await;
        assert!(status == StatusCode::OK || status.is_client_error(), "{forged}: {status}");
        assert!(!page.contains("success") && !page.contains("guessed"), "{forged}: {page}");
        assert_eq!(headers.get("x-evil"), None, "{forged}");
    }
    // Guessing, many times over.
    for number in 0..500 {
        let (_, _, page) = follow(&format!("{base}?{code}&state=guess-{number}")).await;
        assert!(!page.contains("success"), "{page}");
    }
    assert_eq!(sandbox.cloud().counts().code_exchanges, exchanges, "no code was exchanged");
    assert!(logins(directory.path()).is_empty());
    let (status, _, page) = follow(&callback).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let (ended, printed) = login.end();
    assert_eq!(ended, 0, "{printed}");
    // Again, beside a daemon: it waits for no login.
    let before = logins(directory.path());
    let mut daemon = Program::start(command(&sandbox, directory.path(), "", &["serve"]));
    let address = daemon.line("Listen: ").replace("Listen: ", "");
    let (_, _, page) = follow(&format!("http://{address}/callback?{query}")).await;
    assert!(!page.contains("success"), "{page}");
    assert_eq!(logins(directory.path()), before);
    assert_eq!(sandbox.cloud().counts().code_exchanges, exchanges + 1);
}

#[test]
fn d1_a_stranger_at_the_control_socket_hears_nothing() {
    const TEST: &str = "d1_a_stranger_at_the_control_socket_hears_nothing";
    if lacks(TEST, Need::OtherUsers) {
        return;
    }
    let mut victim = Victim::start();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(victim.directory.path(), open).unwrap();
    for (method, path) in [
        ("GET", "/status"),
        ("GET", "/servers"),
        ("GET", "/metrics"),
        ("POST", "/login"),
        ("POST", "/logout"),
        ("POST", "/incident"),
        ("POST", "/resume"),
    ] {
        let mut curl = Command::new("setpriv");
        curl.args(["--clear-groups", "--reuid=54321", "--regid=54321", "curl", "-sS", "--max-time", "5", "-X", method]);
        curl.arg("--unix-socket").arg(victim.control_socket()).arg(format!("http://localhost{path}"));
        let output = curl.stdin(Stdio::null()).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(7), b"".as_slice()), "{method} {path}");
    }
    victim.is_unharmed("a stranger at the control socket");
}

/// Bytes that are no requests, at the control socket, from somebody who may open it.
#[test]
fn d1_nonsense_at_the_control_socket_does_nothing() {
    use std::io::{Read, Write};
    let mut victim = Victim::start();
    for nonsense in [
        &b"\0\0\0\0"[..],
        b"POST /incident HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /incident HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"evil\":true}",
        b"GET /incident HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /INCIDENT HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST //incident HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /incident/../status HTTP/1.1\r\nHost: x\r\n\r\n",
        &[b'a'; 100_000],
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(victim.control_socket()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
        let _ = stream.write_all(nonsense);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    victim.is_unharmed("nonsense at the control socket");
}
