//! The program: its ready file, its silence about secrets, its end.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::support::DEADLINE;

#[tokio::test]
async fn the_program_says_where_it_is_and_stops_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let ready = directory.path().join("ready.json");
    let ca_file = directory.path().join("ca.pem");
    let mut program = Command::new(env!("CARGO_BIN_EXE_mcp-proxy-sandbox"))
        .args(["--consent", "allow", "--ca-file"])
        .arg(&ca_file)
        .arg("--ready-file")
        .arg(&ready)
        .env("RUST_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut out = program.stdout.take().unwrap();
    let mut said = String::new();
    let mut buffer = [0; 4096];
    while !said.contains("cloudphone") {
        let read = tokio::time::timeout(DEADLINE, out.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(read, 0, "it ended early: {said}");
        said.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    let appeared = async {
        while !ready.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, appeared).await.expect("the ready file");
    let description: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let secret = description["access_key_secret"].as_str().unwrap();
    assert!(said.contains(description["cloud_url"].as_str().unwrap()));
    assert_eq!(description["servers"].as_array().unwrap().len(), 3);
    assert!(ca_file.exists());

    let url = format!("{}/credentials", description["page_url"].as_str().unwrap());
    let keys: Value = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap()
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(keys["Code"], "Success");

    let id = program.id().unwrap().to_string();
    assert!(Command::new("kill").arg(id).status().await.unwrap().success());
    let output = tokio::time::timeout(DEADLINE, program.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let log = String::from_utf8_lossy(&output.stderr);
    for text in [said.as_str(), &log] {
        assert!(!text.contains(secret) && !text.contains(keys["SecurityToken"].as_str().unwrap()));
    }
}
