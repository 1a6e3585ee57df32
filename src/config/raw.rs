//! The serde mirror of the configuration: right types, values not yet judged.
//!
//! Every value that needs judging is text here; [`crate::config::resolve`] turns it into a legal value.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    pub(crate) state_dir: Option<String>,
    pub(crate) listen: Listen,
    #[serde(default)]
    pub(crate) tls: Tls,
    #[serde(default)]
    pub(crate) control: Control,
    #[serde(default)]
    pub(crate) metrics: Metrics,
    #[serde(default)]
    pub(crate) telemetry: Telemetry,
    pub(crate) access: Access,
    pub(crate) login: Login,
    pub(crate) log: Log,
    pub(crate) network: Network,
    pub(crate) limits: Limits,
    pub(crate) alibaba: Alibaba,
    /// By name: that is how a later layer changes one key of an upstream and leaves the others.
    pub(crate) upstream: BTreeMap<String, Upstream>,
    /// By name too; in which order they are tried is said by the layers.
    #[serde(default)]
    pub(crate) client: BTreeMap<String, Client>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) host: String,
    pub(crate) port: i64,
    #[serde(default)]
    pub(crate) unix: Vec<String>,
    pub(crate) unix_mode: String,
    #[serde(default)]
    pub(crate) allowed_hosts: Vec<String>,
    #[serde(default)]
    pub(crate) allowed_origins: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    #[serde(default)]
    pub(crate) listen: Vec<String>,
    pub(crate) certificate_file: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) client_ca_file: Option<String>,
    #[serde(default)]
    pub(crate) require_client_certificate: bool,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Control {
    pub(crate) socket: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    pub(crate) listen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    pub(crate) otlp_endpoint: Option<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    pub(crate) others: String,
    pub(crate) containers: bool,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    pub(crate) browser: bool,
    pub(crate) key_file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) audit_file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    pub(crate) extra_ca_file: Option<String>,
    pub(crate) connect_timeout: String,
    pub(crate) api_timeout: String,
    pub(crate) first_byte_timeout: String,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) replay_body: String,
    pub(crate) header_timeout: String,
    pub(crate) idle_timeout: String,
    pub(crate) request_body: String,
    pub(crate) token_wait: String,
    pub(crate) max_connections: i64,
    pub(crate) sse_keep_alive: String,
    pub(crate) drain_timeout: String,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Alibaba {
    pub(crate) region_type: String,
    pub(crate) network: String,
    pub(crate) oauth_app_name: Option<String>,
    pub(crate) scope: String,
    pub(crate) profile: Option<String>,
    pub(crate) aliyun_config_file: Option<String>,
    #[serde(default)]
    pub(crate) endpoints: Endpoints,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoints {
    pub(crate) signin: Option<String>,
    pub(crate) oauth: Option<String>,
    pub(crate) ims: Option<String>,
    pub(crate) ramoauth: Option<String>,
    pub(crate) sts: Option<String>,
    pub(crate) metadata: Option<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) mount: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) auth: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) boundary_policy: Option<String>,
    pub(crate) safety_policy: Option<String>,
    #[serde(default)]
    pub(crate) allowed_tools: Vec<String>,
    pub(crate) token_file: Option<String>,
    #[serde(default)]
    pub(crate) token_command: Vec<String>,
    #[serde(default)]
    pub(crate) allow_cleartext: bool,
    #[serde(default)]
    pub(crate) allowed_servers: Vec<String>,
    #[serde(default)]
    pub(crate) blocked_servers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) users: Option<Vec<String>>,
    pub(crate) groups: Option<Vec<String>>,
    pub(crate) units: Option<Vec<String>>,
    pub(crate) addresses: Option<Vec<String>>,
    pub(crate) certificates: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) key: bool,
    #[serde(default)]
    pub(crate) allowed_servers: Vec<String>,
    #[serde(default)]
    pub(crate) blocked_servers: Vec<String>,
    #[serde(default)]
    pub(crate) allowed_methods: Vec<String>,
    #[serde(default)]
    pub(crate) blocked_methods: Vec<String>,
    #[serde(default)]
    pub(crate) allowed_tools: Vec<String>,
    #[serde(default)]
    pub(crate) blocked_tools: Vec<String>,
    #[serde(default)]
    pub(crate) read_only: bool,
    pub(crate) requests_per_minute: Option<i64>,
    pub(crate) concurrent_requests: Option<i64>,
    pub(crate) request_body: Option<String>,
    #[serde(default)]
    pub(crate) log_argument_names: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use figment::Figment;
    use figment::value::Value;

    use super::*;
    use crate::config::keys::{KEYS, Kind};

    fn leaves(value: &serde_json::Value, path: &str, into: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    leaves(value, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, into);
                }
            }
            _ => {
                into.insert(path.to_owned());
            }
        }
    }

    #[test]
    fn the_table_and_the_mirror_agree() {
        let mut figment = Figment::new();
        for key in KEYS {
            let value = match key.kind {
                Kind::Text => Value::from("text"),
                Kind::Bool => Value::from(true),
                Kind::Number => Value::from(1),
                Kind::List => Value::from(vec!["text"]),
            };
            figment =
                figment.merge((key.path.replace("upstream.", "upstream.a.").replace("client.", "client.a."), value));
        }
        // A key that the mirror does not have, or has with another type, fails here.
        let raw: Raw = figment.extract().unwrap();
        // A field that the table does not have is left over here.
        let mut fields = BTreeSet::new();
        leaves(&serde_json::to_value(&raw).unwrap(), "", &mut fields);
        let fields: BTreeSet<_> = fields
            .iter()
            .map(|path| path.replace("upstream.a.", "upstream.").replace("client.a.", "client."))
            .collect();
        assert_eq!(fields, KEYS.iter().map(|key| key.path.to_owned()).collect());
    }
}
