//! Files of the vendor's tools, which are read and never written: the aliyun CLI's configuration, the login of
//! `aliyun mcp-proxy`, and the credentials file of the SDKs.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcp_proxy::alibaba::credentials::source::Source;
use mcp_proxy::alibaba::mcpproxy_file;
use mcp_proxy::alibaba::profile::{self, credentials_file};

/// Stands where a secret stands, and nowhere else.
const SECRET: &str = "hunter2hunter2";
const SECRETS: [&str; 5] =
    ["access_key_secret", "sts_token", "bearer_token", "mcp_oauth_access_token", "mcp_oauth_refresh_token"];

/// A file of this process.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("mcp-proxy-fuzz-aliyun-{}", std::process::id())));

fuzz_target!(|text: &str| {
    if text.contains(SECRET) {
        return;
    }
    // Lines of `key = value`: the secret only where a line begins with its key, not in the value of another one.
    let lines = text.replace("\naccess_key_secret=\n", &format!("\naccess_key_secret={SECRET}\n"));
    let mut text = text.to_owned();
    for key in SECRETS {
        text = text.replace(&format!("\"{key}\":\"\""), &format!("\"{key}\":\"{SECRET}\""));
    }
    fs::write(&*FILE, &text).expect("it can be written");
    for asked_for in [None, Some("default")] {
        match profile::load(&FILE, asked_for, &|_| None) {
            Ok(profile) => {
                if let Source::AccessKey(key) = &profile.source {
                    assert!(!key.id.trim().is_empty() && !key.secret.is_empty());
                    assert!(key.security_token.as_ref().is_none_or(|token| !token.is_empty()));
                }
                assert!(asked_for.is_none_or(|name| name == profile.name));
                assert!(!format!("{profile:?}").contains(SECRET));
            }
            Err(error) => assert!(!format!("{error}{error:?}").contains(SECRET), "{error}"),
        }
    }
    fs::write(&*FILE, &lines).expect("it can be written");
    let named = |name: &str| (name == "ALIBABA_CLOUD_CREDENTIALS_FILE").then(|| FILE.display().to_string());
    match credentials_file::load(&named) {
        Ok(Some((source, section, _))) => {
            assert_eq!(section, "default");
            assert!(!format!("{source:?}").contains(SECRET));
        }
        Ok(None) => {}
        Err(error) => assert!(!format!("{error}{error:?}").contains(SECRET), "{error}"),
    }
    fs::write(&*FILE, &text).expect("it can be written");
    match mcpproxy_file::read(&FILE) {
        Ok(login) => {
            assert!(!login.access_token.is_empty() && !login.refresh_token.is_empty());
            assert!(![&login.app_name, &login.app_id, &login.site].iter().any(|text| text.is_empty()));
            assert!(!login.access_validity.is_some_and(|life| life.is_zero()));
            assert!(!format!("{login:?}").contains(SECRET));
        }
        Err(error) => assert!(!format!("{error}{error:?}").contains(SECRET), "{error}"),
    }
});
