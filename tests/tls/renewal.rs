//! Another certificate while clients go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::StatusCode;

use crate::authority::write;
use crate::host::{Host, PING};
use crate::support::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_after_a_reload_and_nothing_is_dropped() {
    let mut host = Host::start("", "").await;
    let shown = async |host: &Host| {
        let stream = host.begins().connect(host.tls).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let first = shown(&host).await;
    let host_tls = host.tls;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    let ca = host.authority.certificate();
    let before = host.begins().http_1(host.tls).await.unwrap();
    let keeping = {
        let (stop, asked, mut before) = (stop.clone(), asked.clone(), before);
        async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(before.post(PING).await.unwrap().0, StatusCode::OK);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    clients.spawn(keeping);
    // And one that begins anew each time, by OpenSSL.
    let file = host.directory.path().join("ca-of-the-client.pem");
    write(&file, &ca);
    let (again, count) = (stop.clone(), asked.clone());
    clients.spawn_blocking(move || {
        while !again.load(Ordering::Relaxed) {
            let url = format!("https://localhost:{}/mcp", host_tls.port());
            let mut curl = std::process::Command::new("curl");
            curl.args(["--silent", "--max-time", "20", "--noproxy", "*", "--fail", "--cacert"]).arg(&file);
            let output = curl.args(["--json", PING, &url]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let more = |than: usize| {
        let asked = asked.clone();
        async move {
            let waiting = async {
                while asked.load(Ordering::Relaxed) < than {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(PATIENCE, waiting).await.expect("requests go on");
        }
    };
    more(20).await;
    let mut last = first;
    for _ in 0..3 {
        host.authority.server(30).write(host.directory.path(), "tls");
        host.reload("", "");
        let now = shown(&host).await;
        assert_ne!(now, last);
        last = now;
        more(asked.load(Ordering::Relaxed) + 10).await;
    }
    // Half of a new pair, and then what is no certificate: the last good one stays, and it is said.
    let other = host.authority.server(30);
    for (name, text) in
        [("tls.key", other.key.as_str()), ("tls.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"), ("tls.pem", "")]
    {
        write(&host.directory.path().join(name), text);
        host.daemon.signal("HUP");
        let said = host.daemon.line("stays as it was");
        assert!(said.contains("tls.certificate_file"), "{said}");
        assert_eq!(shown(&host).await, last);
    }
    assert!(host.run(&["status"]).stdout.contains("reload-failed"));
    more(asked.load(Ordering::Relaxed) + 10).await;
    other.write(host.directory.path(), "tls");
    host.reload("", "");
    assert_ne!(shown(&host).await, last);
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_certificate_is_a_condition_until_there_is_another_one() {
    let mut host = Host::start("", "").await;
    assert!(!host.run(&["status"]).stdout.contains("tls-certificate-expires"));
    host.authority.server(13).write(host.directory.path(), "tls");
    host.reload("", "");
    host.daemon.line("The certificate of tls.certificate_file ends at");
    assert!(host.run(&["status"]).stdout.contains("tls-certificate-expires"));
    host.authority.server(0).write(host.directory.path(), "tls");
    host.reload("", "");
    let ended = async {
        while !host.run(&["status"]).stdout.contains("has ended") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the condition says that it has ended");
    assert!(host.begins().connect(host.tls).await.is_err(), "clients look at the end");
    host.authority.server(90).write(host.directory.path(), "tls");
    host.reload("", "");
    host.daemon.line("over");
    assert!(!host.run(&["status"]).stdout.contains("tls-certificate-expires"));
}
