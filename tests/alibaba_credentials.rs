//! API credentials of every kind: what is configured, whom the cloud sees then, and what a person reads when it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mcp_proxy::alibaba::credentials::{ApiCredentials, Credentials, CredentialsError};
use mcp_proxy::alibaba::oauth_app;
use mcp_proxy::alibaba::settings::{DEFAULT_SCOPE, Settings};
use mcp_proxy::alibaba::site::{EndpointOverrides, Endpoints, Site};
use mcp_proxy::model::time::{Clock, Now, Wall};
use mcp_proxy::net::api_client::ApiClient;
use mcp_proxy::net::settings::Settings as NetSettings;
use mcp_proxy_sandbox::{ApiFault, Sandbox};
use serde_json::{Value, json};
use support::{Proxy, config_text, sandbox, state_dir};
use tempfile::TempDir;

const CALLBACK: &str = "http://127.0.0.1:8088/callback";

/// A machine with a home directory, an environment and a clock of its own.
struct Machine {
    sandbox: Sandbox,
    directory: TempDir,
    variables: BTreeMap<String, String>,
    profile: Option<String>,
    ahead: Arc<AtomicI64>,
}

impl Machine {
    async fn new() -> Self {
        let (directory, ahead) = (tempfile::tempdir().unwrap(), Arc::default());
        // Where the test runs there may be a real metadata service; only tests that mean it ask one.
        let off = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED".to_owned(), "true".to_owned());
        Self { sandbox: sandbox().await, directory, variables: BTreeMap::from([off]), profile: None, ahead }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn unset(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the aliyun CLI's configuration as the CLI does: a new file in the place of the old one.
    fn profiles(self, profiles: Value) -> Self {
        self.write_profiles(&profiles);
        self
    }

    fn write_profiles(&self, profiles: &Value) {
        let current = profiles[0]["name"].as_str().unwrap();
        let text = json!({ "current": current, "profiles": profiles }).to_string();
        std::fs::write(self.path("new"), text).unwrap();
        std::fs::rename(self.path("new"), self.path("config.json")).unwrap();
    }

    /// A profile with the sandbox's access key, and with `more`.
    fn key_profile(&self, more: Value) -> Value {
        let (id, secret) = self.sandbox.access_key();
        let mut profile = json!({ "name": "default", "access_key_id": id, "access_key_secret": secret });
        let more = more.as_object().unwrap().clone();
        profile.as_object_mut().unwrap().extend(more);
        profile
    }

    fn role(&self) -> String {
        format!("acs:ram::{}:role/mcp-role", self.sandbox.account_uid())
    }

    fn settings(&self) -> Settings {
        let cloud = Some(self.sandbox.cloud_url());
        let overrides = EndpointOverrides {
            oauth: cloud.clone(),
            ims: cloud.clone(),
            gateway: cloud.clone(),
            sts: cloud,
            metadata: Some(self.sandbox.metadata_url()),
            ..EndpointOverrides::default()
        };
        Settings {
            site: Site::Cn,
            endpoints: Endpoints::resolve(Site::Cn, &overrides).unwrap(),
            oauth_app_name: None,
            scope: DEFAULT_SCOPE.to_owned(),
            profile: self.profile.clone(),
            aliyun_config_file: Some(self.path("config.json")),
        }
    }

    fn credentials(&self) -> Credentials {
        let net = NetSettings {
            connect_timeout: Duration::from_secs(5),
            api_timeout: Duration::from_secs(10),
            extra_ca_file: Some(self.sandbox.ca_file().to_owned()),
        };
        let (variables, ahead, system) = (self.variables.clone(), self.ahead.clone(), Clock::system());
        let clock = Clock::from_fn(move || {
            let Now { wall, mono } = system.now();
            let wall = Wall::from_unix_millis(wall.unix_millis() + ahead.load(Ordering::SeqCst) * 1000);
            Now { wall, mono }
        });
        let environment = Arc::new(move |name: &str| variables.get(name).cloned());
        Credentials::new(self.settings(), environment, ApiClient::new(&net).unwrap(), clock)
    }

    /// Lets time pass, here and in the cloud.
    fn pass(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
        self.sandbox.cloud().advance_clock(seconds);
    }

    fn calls(&self, action: &str) -> u64 {
        self.sandbox.cloud().counts().api.get(action).copied().unwrap_or_default()
    }

    /// Gets credentials and does with them what a login does.
    async fn works(&self) -> ApiCredentials {
        let credentials = self.credentials();
        let found = credentials.get().await.unwrap_or_else(|error| panic!("{error}"));
        let api = credentials.api().await.unwrap();
        let app = oauth_app::find_or_create(&api, &self.settings(), CALLBACK).await;
        app.unwrap_or_else(|error| panic!("{}: {error}", found.source));
        assert_eq!(credentials.source().as_deref(), Some(found.source.as_str()));
        self.is_clean(&format!("{found:?} {}", found.source));
        found
    }

    /// Gets none; what a person reads then.
    async fn fails(&self) -> String {
        let error = self.credentials().get().await.expect_err("there is nothing to get");
        self.is_clean(&format!("{error} {error:?}"));
        error.to_string()
    }

    fn is_clean(&self, text: &str) {
        for secret in self.sandbox.cloud().issued_secrets() {
            assert!(!text.contains(&secret), "a secret is shown: {text}");
        }
    }
}

#[tokio::test]
async fn a_key_in_the_environment_and_a_key_from_the_service_manager() {
    let machine = Machine::new().await;
    let (id, secret, token) = machine.sandbox.temporary_access_key();
    let machine = machine
        .set("ALIBABA_CLOUD_ACCESS_KEY_ID", &id)
        .set("ALIBABA_CLOUD_ACCESS_KEY_SECRET", &secret)
        .set("ALIBABA_CLOUD_SECURITY_TOKEN", &token);
    let found = machine.works().await;
    assert_eq!((found.access_key_id, found.source.as_str()), (id, "environment variable ALIBABA_CLOUD_ACCESS_KEY_ID"));

    let machine = machine.unset("ALIBABA_CLOUD_ACCESS_KEY_ID").unset("ALIBABA_CLOUD_ACCESS_KEY_SECRET");
    let (id, secret) = machine.sandbox.access_key();
    let directory = machine.directory.path().display().to_string();
    let machine = machine.set("CREDENTIALS_DIRECTORY", &directory);
    std::fs::write(machine.path("aliyun-access-key-id"), format!("{id}\n")).unwrap();
    let says = machine.fails().await;
    assert!(says.contains("aliyun-access-key-secret is missing"), "{says}");
    std::fs::write(machine.path("aliyun-access-key-secret"), secret).unwrap();
    let found = machine.works().await;
    assert_eq!(found.source, format!("systemd credential {directory}/aliyun-access-key-id"));
}

#[tokio::test]
async fn the_cli_s_configuration_from_the_service_manager() {
    let machine = Machine::new().await;
    let directory = machine.path("credentials");
    std::fs::create_dir(&directory).unwrap();
    let config = json!({ "current": "default", "profiles": [machine.key_profile(json!({ "mode": "AK" }))] });
    std::fs::write(directory.join("aliyun-config"), config.to_string()).unwrap();
    let machine = machine.set("CREDENTIALS_DIRECTORY", &directory.display().to_string());
    let found = machine.works().await;
    assert_eq!(found.source, format!("profile default in {}/aliyun-config", directory.display()));
}

#[tokio::test]
async fn a_role_is_assumed_with_a_key_with_another_role_and_with_the_machine_s() {
    let machine = Machine::new().await;
    let role = machine.role();
    let assumes = |more: Value| {
        let mut profile = machine.key_profile(json!({ "mode": "RamRoleArn", "ram_role_arn": role }));
        profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        profile
    };
    let chained = json!({ "name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "default",
        "ram_role_arn": format!("{role}-2"), "ram_session_name": "second" });
    let by_machine = json!({ "name": "vm", "mode": "RamRoleArnWithRoleName", "ram_role_name": "sandbox-role",
        "ram_role_arn": role });
    for (profiles, calls) in [
        (json!([assumes(json!({}))]), 1),
        (json!([assumes(json!({ "expired_seconds": 900, "external_id": "ext-1", "ram_session_name": "me@x" }))]), 1),
        (json!([assumes(json!({ "mode": "" }))]), 1),
        (json!([chained.clone(), assumes(json!({}))]), 2),
        (json!([by_machine]), 1),
    ] {
        machine.write_profiles(&profiles);
        let before = machine.calls("AssumeRole");
        let found = machine.works().await;
        assert!(
            found.access_key_id.starts_with("STS.") && found.source.contains(", which assumes acs:ram::"),
            "{found:?}"
        );
        assert_eq!(machine.calls("AssumeRole") - before, calls, "the second call takes the key that is kept");
    }
    for (more, says) in [
        (json!({ "expired_seconds": 60 }), "InvalidParameter.DurationSeconds"),
        (json!({ "ram_session_name": "a b" }), "InvalidParameter.RoleSessionName"),
        (json!({ "ram_role_arn": "acs:ram::1:role/other" }), "EntityNotExist.Role"),
        (json!({ "access_key_secret": "wrong" }), "secret of profile default in"),
        (json!({ "access_key_id": "LTAI-unknown" }), "does not exist"),
        (json!({ "ram_role_arn": "" }), "has no `ram_role_arn`"),
        (json!({ "sts_region": "a/b" }), "`sts_region` of profile default"),
    ] {
        machine.write_profiles(&json!([assumes(more)]));
        let text = machine.fails().await;
        assert!(text.contains(says) && text.contains("profile default in "), "{text}");
    }
    machine.sandbox.cloud().set_permission(&machine.sandbox.access_key().0, "sts:AssumeRole", false);
    machine.write_profiles(&json!([assumes(json!({}))]));
    let text = machine.fails().await;
    assert!(text.contains("may not do sts:AssumeRole") && text.contains("RAM policy"), "{text}");
}

#[tokio::test]
async fn the_role_of_the_machine() {
    let machine = Machine::new().await;
    let profile = |name: &str| json!([{ "name": "default", "mode": "EcsRamRole", "ram_role_name": name }]);
    let cloud = machine.sandbox.cloud();
    cloud.set_metadata_hardened(true);
    for name in ["", "sandbox-role"] {
        machine.write_profiles(&profile(name));
        assert!(machine.works().await.source.ends_with(", with the role of this machine"));
    }
    machine.write_profiles(&profile("other"));
    assert!(machine.fails().await.contains("Attach the RAM role"), "{}", machine.fails().await);
    machine.write_profiles(&profile(""));
    cloud.set_metadata_old(true);
    assert!(machine.fails().await.contains("HTTP 403"), "it insists on a token, and gives none");
    cloud.set_metadata_hardened(false);
    machine.works().await;
    let machine = machine.set("ALIBABA_CLOUD_IMDSV1_DISABLED", "true");
    let text = machine.fails().await;
    assert!(text.contains("ALIBABA_CLOUD_IMDSV1_DISABLED forbids"), "{text}");
}

#[tokio::test]
async fn the_token_of_an_identity_provider() {
    let machine = Machine::new().await;
    let token = machine.sandbox.cloud().issue_oidc_token(600);
    std::fs::write(machine.path("token"), &token).unwrap();
    let (file, role) = (machine.path("token").display().to_string(), machine.role());
    let provider = format!("acs:ram::{}:oidc-provider/sandbox-idp", machine.sandbox.account_uid());
    let profile = json!([{ "name": "default", "mode": "OIDC", "oidc_provider_arn": provider,
        "oidc_token_file": file, "ram_role_arn": role, "ram_session_name": "oidc" }]);
    let machine = machine.profiles(profile);
    machine.works().await;
    let machine = machine
        .set("ALIBABA_CLOUD_OIDC_TOKEN_FILE", &file)
        .set("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", &provider)
        .set("ALIBABA_CLOUD_ROLE_ARN", &role);
    let found = machine.works().await;
    assert!(found.source.starts_with("environment variable ALIBABA_CLOUD_OIDC_TOKEN_FILE"), "{}", found.source);
    let targets = machine.sandbox.cloud().received().into_iter().map(|request| request.target);
    assert!(targets.into_iter().all(|target| !target.contains(&token)), "the token stands in no address");

    machine.pass(601);
    let text = machine.fails().await;
    assert!(text.contains("AuthenticationFail.OIDCToken.Expired"), "{text}");
    std::fs::remove_file(machine.path("token")).unwrap();
    let text = machine.fails().await;
    assert!(text.contains(&format!("cannot read {file}")), "{text}");
}

#[tokio::test]
async fn an_address_that_gives_keys() {
    let machine = Machine::new().await;
    let base = machine.sandbox.page_url();
    let profile = |uri: &str| json!([{ "name": "default", "mode": "CredentialsURI", "credentials_uri": uri }]);
    machine.write_profiles(&profile(&format!("{base}/credentials")));
    assert!(machine.works().await.source.ends_with(", from its credentials URI"));
    for (uri, says) in [
        (format!("{base}/nothing?hunter2"), "HTTP 404"),
        ("http://127.0.0.1:1/hunter2".to_owned(), "cannot connect to 127.0.0.1:1"),
        ("http://keys.example/hunter2".to_owned(), "unencrypted"),
        ("hunter2".to_owned(), "cannot be used"),
    ] {
        machine.write_profiles(&profile(&uri));
        let text = machine.fails().await;
        assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
    }
    let machine = machine.set("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS", "1");
    assert!(machine.fails().await.contains("ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS forbids CredentialsURI"));
}

#[tokio::test]
async fn a_command_that_prints_keys() {
    let machine = Machine::new().await;
    let (id, secret, token) = machine.sandbox.temporary_access_key();
    let keys = json!({ "mode": "StsToken", "access_key_id": id, "access_key_secret": secret, "sts_token": token });
    let file = machine.path("the keys.json");
    std::fs::write(&file, keys.to_string()).unwrap();
    let profile = |line: &str| json!([{ "name": "default", "mode": "External", "process_command": line }]);
    machine.write_profiles(&profile(&format!("/bin/cat '{}'", file.display())));
    assert!(machine.works().await.source.ends_with(", by its command"));
    for (line, says) in [
        ("/bin/false".to_owned(), "run it by hand"),
        ("/no/such/program".to_owned(), "cannot run the command /no/such/program"),
        ("/bin/echo $ALIBABA".to_owned(), "what the command prints is not the JSON"),
        (format!("/bin/cat {}", file.display()), "run it by hand"),
    ] {
        machine.write_profiles(&profile(&line));
        let text = machine.fails().await;
        assert!(text.contains(says), "{text}");
    }
}

#[tokio::test]
async fn people_who_signed_in_with_the_cli() {
    let machine = Machine::new().await;
    let cloud = machine.sandbox.cloud();
    let now = Clock::system().now().wall.unix_seconds();
    let sso = |token: &str, ends: i64, configuration: &str| {
        json!([{ "name": "default", "mode": "CloudSSO", "access_token": token,
            "cloud_sso_sign_in_url": format!("{}/start/login", machine.sandbox.cloud_url()),
            "cloud_sso_account_id": machine.sandbox.account_uid(), "cloud_sso_access_config": configuration,
            "cloud_sso_access_token_expire": ends }])
    };
    let token = cloud.issue_cloud_sso_token(600);
    machine.write_profiles(&sso(&token, now + 600, "ac-00sandbox00"));
    assert!(machine.works().await.source.ends_with(", signed in through CloudSSO"));
    machine.write_profiles(&sso(&token, now + 600, "ac-other"));
    assert!(machine.fails().await.contains("HTTP 403"));
    machine.write_profiles(&sso(&token, now - 1, "ac-00sandbox00"));
    assert!(machine.fails().await.contains("Sign in again: aliyun configure --profile default"));

    let token = cloud.issue_cli_token(600);
    let oauth = |ends: i64| {
        json!([{ "name": "default", "mode": "OAuth", "oauth_site_type": "CN", "oauth_access_token": token,
            "oauth_refresh_token": "hunter2", "oauth_access_token_expire": ends }])
    };
    machine.write_profiles(&oauth(now + 600));
    assert!(machine.works().await.source.ends_with(", signed in through OAuth"));
    machine.write_profiles(&oauth(now - 1));
    let text = machine.fails().await;
    for way in ["aliyun sts GetCallerIdentity --profile default", "Sign in again: aliyun configure --profile default"] {
        assert!(text.contains(way), "{text}");
    }
    // The refresh token is the CLI's, and is neither used nor written anew.
    let asked = cloud.received().into_iter().filter(|request| request.target.contains("/v1/token")).count();
    let file = std::fs::read_to_string(machine.path("config.json")).unwrap();
    assert!(asked == 0 && file.contains("\"oauth_refresh_token\":\"hunter2\""), "{file}");

    // Keys that the CLI wrote down are used as long as they live.
    let (id, secret, sts_token) = machine.sandbox.temporary_access_key();
    let mut stored = oauth(now - 1);
    let keys =
        json!({ "access_key_id": id, "access_key_secret": secret, "sts_token": sts_token, "sts_expiration": now + 60 });
    stored[0].as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    machine.write_profiles(&stored);
    assert_eq!(machine.works().await.access_key_id, id);
    machine.pass(61);
    assert!(machine.fails().await.contains("Sign in again"));
}

#[tokio::test]
async fn a_bearer_in_the_place_of_a_key() {
    let machine = Machine::new().await;
    let cloud = machine.sandbox.cloud();
    let token = cloud.issue_api_bearer(600);
    let profile = |more: Value| {
        let mut profile = json!({ "name": "default", "mode": "BearerToken", "bearer_token": token });
        profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([profile])
    };
    machine.write_profiles(&profile(json!({})));
    let found = machine.works().await;
    assert!(found.source.ends_with(", a bearer token") && found.access_key_id.is_empty(), "{found:?}");
    assert!(cloud.received().into_iter().all(|request| !request.target.contains(&token)), "it stands in no address");
    // A role can be assumed with it as well.
    let chained = json!({ "name": "chain", "mode": "ChainableRamRoleArn", "source_profile": "default",
        "ram_role_arn": machine.role() });
    machine.write_profiles(&json!([chained, profile(json!({}))[0]]));
    assert!(machine.works().await.access_key_id.starts_with("STS."));

    let refused = async |more: Value| {
        machine.write_profiles(&profile(more));
        let api = machine.credentials().api().await.unwrap();
        let error = oauth_app::find_or_create(&api, &machine.settings(), CALLBACK).await.unwrap_err();
        machine.is_clean(&format!("{error} {error:?}"));
        error.to_string()
    };
    let text = refused(json!({ "bearer_token_header_key": "x-other" })).await;
    assert!(text.contains("MissingAccessKeyId"), "the service looks for it elsewhere: {text}");
    machine.pass(601);
    let text = refused(json!({})).await;
    assert!(text.contains("InvalidBearerToken.Expired") && text.contains("profile default in "), "{text}");
    machine.write_profiles(&profile(json!({ "bearer_token": "a b" })));
    assert!(machine.fails().await.contains("the bearer token of profile default in "), "{}", machine.fails().await);
}

#[tokio::test]
async fn the_order_is_that_of_the_vendor_s_sdks() {
    let machine = Machine::new().await.unset("ALIBABA_CLOUD_ECS_METADATA_DISABLED");
    let page = machine.sandbox.page_url();
    // From the last to the first: each beats those before it.
    let machine = machine.set("ALIBABA_CLOUD_CREDENTIALS_URI", &format!("{page}/credentials"));
    assert_eq!(machine.works().await.source, "the metadata service, with the role of this machine");
    let machine = machine.set("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    assert_eq!(machine.works().await.source, "ALIBABA_CLOUD_CREDENTIALS_URI, from its credentials URI");
    let machine = machine.set("ALIBABA_CLOUD_ECS_METADATA", "sandbox-role");
    assert_eq!(machine.works().await.source, "ALIBABA_CLOUD_CREDENTIALS_URI, from its credentials URI");
    let machine = machine.unset("ALIBABA_CLOUD_ECS_METADATA_DISABLED");
    assert_eq!(machine.works().await.source, "ALIBABA_CLOUD_ECS_METADATA, with the role of this machine");
    // What only the aliyun CLI reads comes after everything that the SDKs find written down.
    let bearer = machine.sandbox.cloud().issue_api_bearer(600);
    let machine = machine.set("ALIBABA_CLOUD_BEARER_TOKEN", &bearer);
    assert_eq!(machine.works().await.source, "environment variable ALIBABA_CLOUD_BEARER_TOKEN, a bearer token");
    let (id, secret) = machine.sandbox.access_key();
    let machine = machine.set("ALICLOUD_ACCESS_KEY_ID", &id);
    assert!(machine.fails().await.contains("ALICLOUD_ACCESS_KEY_SECRET"), "half a key is an error");
    let machine = machine.set("ALICLOUD_ACCESS_KEY_SECRET", &secret);
    assert_eq!(machine.works().await.source, "environment variable ALICLOUD_ACCESS_KEY_ID");
    let shared = machine.path("credentials").display().to_string();
    let machine = machine.set("ALIBABA_CLOUD_CREDENTIALS_FILE", &shared);
    assert_eq!(machine.works().await.source, "environment variable ALICLOUD_ACCESS_KEY_ID", "there is no such file");
    std::fs::write(&shared, "[other]\ntype = access_key\n").unwrap();
    assert_eq!(machine.works().await.source, "environment variable ALICLOUD_ACCESS_KEY_ID", "no such section");
    std::fs::write(&shared, "[default]\ntype = rsa_key_pair\n").unwrap();
    assert!(machine.fails().await.contains("rsa_key_pair is not supported"), "{}", machine.fails().await);
    let text = format!("[default]\ntype = access_key\naccess_key_id = {id}\naccess_key_secret = {secret}\n");
    std::fs::write(&shared, text).unwrap();
    assert_eq!(machine.works().await.source, format!("section default in {shared}"));
    let profile = machine.key_profile(json!({ "mode": "AK" }));
    let machine = machine.profiles(json!([profile]));
    assert!(machine.works().await.source.starts_with("profile default in "));
    let elsewhere = machine.path("elsewhere.json").display().to_string();
    let machine = machine.set("ALIBABA_CLOUD_CONFIG_FILE", &elsewhere);
    assert!(!machine.works().await.source.contains("elsewhere"), "the settings name another one");
    std::fs::write(machine.path("token"), machine.sandbox.cloud().issue_oidc_token(600)).unwrap();
    let provider = format!("acs:ram::{}:oidc-provider/sandbox-idp", machine.sandbox.account_uid());
    let (file, role) = (machine.path("token").display().to_string(), machine.role());
    let machine = machine
        .set("ALIBABA_CLOUD_OIDC_TOKEN_FILE", &file)
        .set("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", &provider)
        .set("ALIBABA_CLOUD_ROLE_ARN", &role);
    assert!(machine.works().await.source.starts_with("environment variable ALIBABA_CLOUD_OIDC_TOKEN_FILE"));
    let (id, secret) = machine.sandbox.access_key();
    let mut machine = machine.set("ALIBABA_CLOUD_ACCESS_KEY_ID", &id).set("ALIBABA_CLOUD_ACCESS_KEY_SECRET", &secret);
    assert!(machine.works().await.source.starts_with("environment variable ALIBABA_CLOUD_ACCESS_KEY_ID"));
    machine.profile = Some("default".to_owned());
    assert!(machine.works().await.source.starts_with("profile default in "), "a person named it");
}

#[tokio::test]
async fn a_temporary_key_is_kept_renewed_ahead_of_its_end_and_outlives_a_failure() {
    let machine = Machine::new().await;
    let profile = machine.key_profile(json!({ "mode": "RamRoleArn", "ram_role_arn": machine.role() }));
    let machine = machine.profiles(json!([profile]));
    let credentials = machine.credentials();
    let id = async || credentials.get().await.map(|found| found.access_key_id);
    let first = id().await.unwrap();
    machine.pass(3600 - 190);
    assert_eq!(id().await.unwrap(), first);
    machine.pass(20);
    machine.sandbox.cloud().fail_api(ApiFault::Denied, Some(1));
    assert_eq!(id().await.unwrap(), first, "it still lives");
    let second = id().await.unwrap();
    assert!(second != first && machine.calls("AssumeRole") == 3);
    machine.sandbox.cloud().fail_api(ApiFault::Denied, Some(1));
    machine.pass(3601);
    assert!(matches!(id().await, Err(CredentialsError::Call { .. })), "it does not outlive its end");
    assert!(credentials.get().await.is_ok() && credentials.forget().await && !credentials.forget().await);
    // Many at once cause one call.
    let calls = machine.calls("AssumeRole");
    let all = futures_util::future::join_all((0..20).map(|_| credentials.get())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(machine.calls("AssumeRole"), calls + 1);
}

#[tokio::test]
async fn a_changed_key_is_used_at_once_and_an_unreadable_change_leads_nowhere_else() {
    let machine = Machine::new().await;
    let profile = machine.key_profile(json!({ "mode": "AK" }));
    let page = machine.sandbox.page_url();
    let machine =
        machine.profiles(json!([profile])).set("ALIBABA_CLOUD_CREDENTIALS_URI", &format!("{page}/credentials"));
    let credentials = machine.credentials();
    let works =
        async || oauth_app::find_or_create(&credentials.api().await.unwrap(), &machine.settings(), CALLBACK).await;
    works().await.unwrap();

    // While requests run the key changes, again and again.
    let (other_id, other_secret) = machine.sandbox.other_access_key();
    let other =
        json!([{ "name": "default", "mode": "AK", "access_key_id": other_id, "access_key_secret": other_secret }]);
    for round in 0..20 {
        let wanted = if round % 2 == 0 { other.clone() } else { json!([machine.key_profile(json!({ "mode": "AK" }))]) };
        let (asked, ()) = tokio::join!(works(), async { machine.write_profiles(&wanted) });
        asked.unwrap();
        let found = credentials.get().await.unwrap();
        assert_eq!(found.access_key_id, wanted[0]["access_key_id"].as_str().unwrap());
    }

    std::fs::write(machine.path("config.json"), "{\"current\":\"default\",\"profiles\":[{\"access_key_secret\":\"hun")
        .unwrap();
    let text = credentials.get().await.unwrap_err().to_string();
    assert!(text.contains("the file ends too early") && !text.contains("hun"), "{text}");
    assert_eq!(credentials.source(), None);
    std::fs::remove_file(machine.path("config.json")).unwrap();
    let text = credentials.get().await.unwrap_err().to_string();
    assert!(text.contains("came from profile default in ") && text.contains("Put it back"), "{text}");
    machine.write_profiles(&other);
    assert_eq!(credentials.get().await.unwrap().access_key_id, other_id);
}

#[tokio::test]
async fn a_person_signs_in_to_a_daemon_whose_credentials_are_a_role() {
    let machine = Machine::new().await;
    let state = state_dir();
    let role = machine.role();
    let profile = machine.key_profile(json!({ "mode": "RamRoleArn", "ram_role_arn": role }));
    let config = json!({ "current": "default", "profiles": [profile] });
    std::fs::write(state.path().join("aliyun.json"), config.to_string()).unwrap();
    let text = config_text(&machine.sandbox, state.path(), "");
    let proxy = Proxy::configured(&text, BTreeMap::new(), Clock::system(), state).await;
    proxy.sign_in(&machine.sandbox).await;
    // The list of servers and the sign-in share one key.
    assert_eq!(machine.calls("AssumeRole"), 1);
    proxy.stop().await;
}
