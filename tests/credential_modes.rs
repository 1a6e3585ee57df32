//! Every way in which API credentials are configured, each from its configuration to an MCP call: the real program finds
//! them, the cloud accepts what it signs with them and gives a token, and a client's call is served with that token.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::Sandbox;
use serde_json::{Value, json};
use support::program::{Program, bare, finish};
use support::{PATIENCE, config_text, sandbox, state_dir};
use tempfile::TempDir;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",
    "capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const MINT: &str = "GenerateAccessToken";

/// A machine with a home directory and an environment of its own, on which one way is configured.
struct Machine {
    sandbox: Sandbox,
    home: Arc<TempDir>,
    variables: BTreeMap<String, String>,
}

impl Machine {
    async fn new() -> Self {
        let home = state_dir();
        let variables = [("HOME", home.path().to_str().unwrap()), ("MCP_PROXY_CONTROL__SOCKET", &control(home.path()))]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { sandbox: sandbox().await, home, variables: BTreeMap::from(variables) }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// The aliyun CLI's configuration with these profiles, of which the first is meant.
    fn profiles(&self, name: &str, profiles: &Value) -> PathBuf {
        let text = json!({ "current": profiles[0]["name"], "profiles": profiles }).to_string();
        self.write(name, &text)
    }

    /// A profile with the access key of the account, and with `more`.
    fn key_profile(&self, more: &Value) -> Value {
        let (id, secret) = self.sandbox.access_key();
        let mut profile = json!({ "name": "default", "access_key_id": id, "access_key_secret": secret });
        profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        profile
    }

    fn role(&self) -> String {
        format!("acs:ram::{}:role/mcp-role", self.sandbox.account_uid())
    }

    fn provider(&self) -> String {
        format!("acs:ram::{}:oidc-provider/sandbox-idp", self.sandbox.account_uid())
    }

    fn oidc_token(&self) -> String {
        let token = self.sandbox.cloud().issue_oidc_token(600);
        self.write("oidc-token", &token).display().to_string()
    }

    fn command(&self, args: &[&str]) -> Command {
        let text = config_text(&self.sandbox, self.home.path(), "auth = \"access-key\"")
            .replace("http://127.0.0.1:9", &self.sandbox.metadata_url());
        // Where the file of the aliyun CLI is, is part of what is tried here.
        let own = |line: &&str| !line.starts_with("aliyun_config_file");
        let text: Vec<&str> = text.lines().filter(own).collect();
        let file = self.write("mcp-proxy.toml", &text.join("\n"));
        let mut command = bare(args);
        command.arg("--config").arg(file).envs(&self.variables);
        command
    }
}

fn control(home: &Path) -> String {
    home.join("control.sock").display().to_string()
}

/// Who signed the request for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signer {
    /// The long-lived key.
    Key,
    /// A temporary key.
    Temporary,
    /// Nobody: a bearer came with it.
    Bearer,
}

/// One way: how it is configured, what `status` calls it, which calls it takes, and who signs then.
struct Way {
    name: &'static str,
    configure: fn(&mut Machine),
    source: &'static str,
    calls: &'static [(&'static str, u64)],
    signer: Signer,
}

const PROFILE: &str = ".aliyun/config.json";

fn modes() -> Vec<Way> {
    let way = |name, source, calls, signer, configure| Way { name, configure, source, calls, signer };
    vec![
        way("AK", "profile default in ", &[], Signer::Key, |machine| {
            machine.profiles(PROFILE, &json!([machine.key_profile(&json!({ "mode": "AK" }))]));
        }),
        way("no mode", "profile default in ", &[], Signer::Key, |machine| {
            machine.profiles(PROFILE, &json!([machine.key_profile(&json!({}))]));
        }),
        way("StsToken", "profile default in ", &[], Signer::Temporary, |machine| {
            let (id, secret, token) = machine.sandbox.temporary_access_key();
            machine.profiles(
                PROFILE,
                &json!([{ "name": "default", "mode": "StsToken", "access_key_id": id, "access_key_secret": secret,
                    "sts_token": token }]),
            );
        }),
        way("RamRoleArn", "which assumes acs:ram::", &[("AssumeRole", 1)], Signer::Temporary, |machine| {
            let role = json!({ "mode": "RamRoleArn", "ram_role_arn": machine.role(), "ram_session_name": "me",
                "expired_seconds": 900, "external_id": "ext-1" });
            machine.profiles(PROFILE, &json!([machine.key_profile(&role)]));
        }),
        way("ChainableRamRoleArn", "which assumes acs:ram::", &[("AssumeRole", 1)], Signer::Temporary, |machine| {
            let chained = json!({ "name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "default",
                "ram_role_arn": machine.role(), "ram_session_name": "me" });
            machine.profiles(PROFILE, &json!([chained, machine.key_profile(&json!({ "mode": "AK" }))]));
        }),
        way("EcsRamRole", "with the role of this machine", &[("AssumeRole", 0)], Signer::Temporary, |machine| {
            machine.sandbox.cloud().set_metadata_hardened(true);
            machine.profiles(PROFILE, &json!([{ "name": "default", "mode": "EcsRamRole", "ram_role_name": "" }]));
        }),
        way("RamRoleArnWithRoleName", "which assumes acs:ram::", &[("AssumeRole", 1)], Signer::Temporary, |machine| {
            machine.profiles(
                PROFILE,
                &json!([{ "name": "default", "mode": "RamRoleArnWithRoleName", "ram_role_name": "sandbox-role",
                    "ram_role_arn": machine.role() }]),
            );
        }),
        way("OIDC", "which assumes acs:ram::", &[("AssumeRoleWithOIDC", 1)], Signer::Temporary, |machine| {
            machine.profiles(
                PROFILE,
                &json!([{ "name": "default", "mode": "OIDC", "oidc_provider_arn": machine.provider(),
                    "oidc_token_file": machine.oidc_token(), "ram_role_arn": machine.role() }]),
            );
        }),
        way("CredentialsURI", "from its credentials URI", &[], Signer::Temporary, |machine| {
            let uri = format!("{}/credentials", machine.sandbox.page_url());
            machine
                .profiles(PROFILE, &json!([{ "name": "default", "mode": "CredentialsURI", "credentials_uri": uri }]));
        }),
        way("External", "by its command", &[], Signer::Temporary, |machine| {
            let (id, secret, token) = machine.sandbox.temporary_access_key();
            let keys = json!({ "mode": "StsToken", "access_key_id": id, "access_key_secret": secret,
                "sts_token": token });
            let file = machine.write("the keys.json", &keys.to_string());
            let line = format!("/bin/cat '{}'", file.display());
            machine.profiles(PROFILE, &json!([{ "name": "default", "mode": "External", "process_command": line }]));
        }),
        way("CloudSSO", "signed in through CloudSSO", &[], Signer::Temporary, |machine| {
            let token = machine.sandbox.cloud().issue_cloud_sso_token(600);
            machine.profiles(
                PROFILE,
                &json!([{ "name": "default", "mode": "CloudSSO", "access_token": token,
                    "cloud_sso_sign_in_url": format!("{}/start/login", machine.sandbox.cloud_url()),
                    "cloud_sso_account_id": machine.sandbox.account_uid(),
                    "cloud_sso_access_config": "ac-00sandbox00", "cloud_sso_access_token_expire": now() + 600 }]),
            );
        }),
        way("OAuth", "signed in through OAuth", &[], Signer::Temporary, |machine| {
            let token = machine.sandbox.cloud().issue_cli_token(600);
            machine.profiles(
                PROFILE,
                &json!([{ "name": "default", "mode": "OAuth", "oauth_site_type": "CN", "oauth_access_token": token,
                    "oauth_refresh_token": "unused", "oauth_access_token_expire": now() + 600 }]),
            );
        }),
        way("BearerToken", ", a bearer token", &[], Signer::Bearer, |machine| {
            let token = machine.sandbox.cloud().issue_api_bearer(600);
            machine.profiles(PROFILE, &json!([{ "name": "default", "mode": "BearerToken", "bearer_token": token }]));
        }),
    ]
}

fn other_places() -> Vec<Way> {
    let way = |name, source, calls, signer, configure| Way { name, configure, source, calls, signer };
    vec![
        way("a key in the environment", "variable ALIBABA_CLOUD_ACCESS_KEY_ID", &[], Signer::Key, |machine| {
            let (id, secret) = machine.sandbox.access_key();
            machine.set("ALIBABA_CLOUD_ACCESS_KEY_ID", &id);
            machine.set("ALIBABA_CLOUD_ACCESS_KEY_SECRET", &secret);
        }),
        way("a temporary one", "variable ALIBABA_CLOUD_ACCESS_KEY_ID", &[], Signer::Temporary, |machine| {
            let (id, secret, token) = machine.sandbox.temporary_access_key();
            machine.set("ALIBABA_CLOUD_ACCESS_KEY_ID", &id);
            machine.set("ALIBABA_CLOUD_ACCESS_KEY_SECRET", &secret);
            machine.set("ALIBABA_CLOUD_SECURITY_TOKEN", &token);
        }),
        way("a systemd credential", "systemd credential ", &[], Signer::Key, |machine| {
            let (id, secret) = machine.sandbox.access_key();
            let file = machine.write("passed/aliyun-access-key-id", &id);
            machine.write("passed/aliyun-access-key-secret", &secret);
            machine.set("CREDENTIALS_DIRECTORY", file.parent().unwrap().to_str().unwrap());
        }),
        way(
            "OIDC in the environment",
            "variable ALIBABA_CLOUD_OIDC_TOKEN_FILE",
            &[("AssumeRoleWithOIDC", 1)],
            Signer::Temporary,
            |machine| {
                let (file, provider, role) = (machine.oidc_token(), machine.provider(), machine.role());
                machine.set("ALIBABA_CLOUD_OIDC_TOKEN_FILE", &file);
                machine.set("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", &provider);
                machine.set("ALIBABA_CLOUD_ROLE_ARN", &role);
            },
        ),
        way("another file of the CLI", "profile default in ", &[], Signer::Key, |machine| {
            let profiles = json!([machine.key_profile(&json!({ "mode": "AK" }))]);
            let file = machine.profiles("elsewhere.json", &profiles);
            machine.set("ALIBABA_CLOUD_CONFIG_FILE", file.to_str().unwrap());
        }),
        way("the SDKs' file", "section default in ", &[], Signer::Key, |machine| {
            let (id, secret) = machine.sandbox.access_key();
            let text = format!("[default]\ntype = access_key\naccess_key_id = {id}\naccess_key_secret = {secret}\n");
            let file = machine.write("the credentials", &text);
            machine.set("ALIBABA_CLOUD_CREDENTIALS_FILE", file.to_str().unwrap());
        }),
        way("the SDKs' usual file", "section work in ", &[("AssumeRole", 1)], Signer::Temporary, |machine| {
            let ((id, secret), role) = (machine.sandbox.access_key(), machine.role());
            let key = format!("access_key_id = {id}\naccess_key_secret = {secret}\n");
            let text = format!("[default]\ntype = rsa_key_pair\n[work]\ntype = ram_role_arn\n{key}role_arn = {role}\n");
            machine.write(".alibabacloud/credentials", &text);
            machine.set("ALIBABA_CLOUD_PROFILE", "work");
        }),
        way("an older name of a key", "variable ALICLOUD_ACCESS_KEY_ID", &[], Signer::Key, |machine| {
            let (id, secret) = machine.sandbox.access_key();
            machine.set("ALICLOUD_ACCESS_KEY_ID", &id);
            machine.set("ALICLOUD_ACCESS_KEY_SECRET", &secret);
        }),
        way("a bearer in the environment", "variable ALIBABA_CLOUD_BEARER_TOKEN", &[], Signer::Bearer, |machine| {
            let token = machine.sandbox.cloud().issue_api_bearer(600);
            machine.set("ALIBABA_CLOUD_BEARER_TOKEN", &token);
        }),
        way("the machine's role, unasked", "the metadata service", &[], Signer::Temporary, |_| {}),
        way("the machine's role, by name", "ALIBABA_CLOUD_ECS_METADATA, ", &[], Signer::Temporary, |machine| {
            machine.set("ALIBABA_CLOUD_ECS_METADATA", "sandbox-role");
        }),
        way("an address", "ALIBABA_CLOUD_CREDENTIALS_URI", &[], Signer::Temporary, |machine| {
            let uri = format!("{}/credentials", machine.sandbox.page_url());
            machine.set("ALIBABA_CLOUD_CREDENTIALS_URI", &uri);
            machine.set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
        }),
    ]
}

fn now() -> i64 {
    Clock::system().now().wall.unix_seconds()
}

async fn serves_a_client(way: Way) {
    let Way { name, configure, source, calls, signer } = way;
    let mut machine = Machine::new().await;
    configure(&mut machine);
    let mut program = Program::start(machine.command(&["serve"]));
    let line = program.line("Listen: ");
    let address: SocketAddr = line.trim().strip_prefix("Listen: ").unwrap().parse().unwrap();
    let path = machine.sandbox.servers().remove(0).mcp_path;
    let answer = support::send(address, support::post(address, &path, INITIALIZE)).await;
    let (status, _, body) = support::whole(answer).await;
    assert_eq!(status, StatusCode::OK, "{name}: {body}\n{}", program.seen());
    assert!(body.contains("serverInfo"), "{name}: {body}");

    let cloud = machine.sandbox.cloud();
    let counts = cloud.counts();
    assert_eq!((counts.api_calls(MINT), counts.api_errors.len()), (1, 0), "{name}: {:?}", counts.api_errors);
    for (action, count) in calls {
        assert_eq!(counts.api_calls(action), *count, "{name}: {action}");
    }
    let asked = cloud.received().into_iter().find(|request| request.header("x-acs-action") == [MINT]).unwrap();
    let signed_by = match asked.header("x-acs-bearer-token").len() {
        1 => Signer::Bearer,
        _ if asked.target.contains("AccessKeyId=STS.") => Signer::Temporary,
        _ => Signer::Key,
    };
    assert_eq!(signed_by, signer, "{name}: {}", asked.target);

    let (plain, json) = (machine.command(&["status"]), machine.command(&["status", "--json"]));
    let (plain, json) = tokio::task::spawn_blocking(|| (finish(plain), finish(json))).await.unwrap();
    let told: Value = serde_json::from_str(&json.stdout).unwrap();
    let told = told["daemon"]["api_credentials"][0]["source"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains(source), "{name}: {told:?} in {}", json.stdout);
    assert!(plain.stdout.contains(&format!("credentials    {told}")), "{name}: {}", plain.stdout);
    let seen = program.seen().to_owned();
    for shown in [&seen, &plain.stdout, &plain.stderr, &json.stdout, &json.stderr] {
        for secret in cloud.issued_secrets() {
            assert!(!shown.contains(&secret), "{name}: a secret is shown: {shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_of_the_cli_leads_to_an_mcp_call() {
    for way in modes() {
        serves_a_client(way).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_place_leads_to_an_mcp_call() {
    for way in other_places() {
        serves_a_client(way).await;
    }
}

/// A change that cannot be read is said, and leads neither to another source nor, unsaid, to the identity of before.
#[tokio::test(flavor = "multi_thread")]
async fn status_shows_the_source_in_use_and_none_for_a_change_that_cannot_be_read() {
    let mut machine = Machine::new().await;
    let uri = format!("{}/credentials", machine.sandbox.page_url());
    machine.set("ALIBABA_CLOUD_CREDENTIALS_URI", &uri);
    machine.set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    let good = json!([machine.key_profile(&json!({ "mode": "AK" }))]);
    let file = machine.profiles(PROFILE, &good);
    let mut program = Program::start(machine.command(&["serve"]));
    let line = program.line("Listen: ");
    let address: SocketAddr = line.trim().strip_prefix("Listen: ").unwrap().parse().unwrap();
    let path = machine.sandbox.servers().remove(0).mcp_path;
    let served =
        async || support::whole(support::send(address, support::post(address, &path, INITIALIZE)).await).await.0;
    let status = async |args: &[&str]| {
        let command = machine.command(&[&["status"], args].concat());
        tokio::task::spawn_blocking(|| finish(command)).await.unwrap().stdout
    };
    let source = async || {
        let told: Value = serde_json::from_str(&status(&["--json"]).await).unwrap();
        told["daemon"]["api_credentials"][0]["source"].clone()
    };
    assert_eq!(served().await, StatusCode::OK);
    assert_eq!(source().await, format!("profile default in {}", file.display()));

    std::fs::write(&file, "{\"current\":\"default\",\"profiles\":[{\"access_key_secret\":\"hun").unwrap();
    let said = program.line("token-renewal-failing");
    assert!(said.contains("the file ends too early") && !said.contains("hun"), "{said}");
    let text = status(&[]).await;
    assert!(!text.contains("  credentials") && text.contains("the file ends too early"), "{text}");
    assert_eq!(source().await, Value::Null);
    assert_eq!(served().await, StatusCode::OK, "the token that is there serves to its end");

    let (id, secret) = machine.sandbox.other_access_key();
    let other = json!([{ "name": "other", "mode": "AK", "access_key_id": id, "access_key_secret": secret }]);
    machine.profiles(PROFILE, &other);
    program.line("the API credentials now come from profile other");
    assert_eq!(source().await, format!("profile other in {}", file.display()));
    let signers = || -> Vec<String> {
        let signer = |target: &str| target.split("AccessKeyId=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let received = machine.sandbox.cloud().received();
        received.iter().filter(|request| request.header("x-acs-action") == [MINT]).map(|r| signer(&r.target)).collect()
    };
    let asked = async {
        while signers().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("a token for the other identity");
    assert_eq!(signers(), [machine.sandbox.access_key().0, id]);
    let received = machine.sandbox.cloud().received();
    assert!(received.iter().all(|request| request.target != "/credentials"), "no other source was asked");
}
