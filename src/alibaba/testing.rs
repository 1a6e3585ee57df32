//! For the tests of this layer: what the official client sent.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::alibaba::settings::{DEFAULT_SCOPE, Settings};
use crate::alibaba::site::{EndpointOverrides, Endpoints, Site};

/// A request of the official client: its signed headers, and `accept`.
#[derive(Deserialize)]
pub(crate) struct OfficialRequest {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) authorization: String,
    pub(crate) key_id: String,
    pub(crate) secret: String,
}

pub(crate) fn official_requests() -> Vec<OfficialRequest> {
    #[derive(Deserialize)]
    struct File {
        requests: Vec<OfficialRequest>,
    }
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testdata/alibaba/official_requests.json"));
    serde_json::from_str::<File>(text).unwrap().requests
}

pub(crate) fn settings() -> Settings {
    Settings {
        site: Site::Cn,
        endpoints: Endpoints::resolve(Site::Cn, &EndpointOverrides::default()).unwrap(),
        oauth_app_name: None,
        scope: DEFAULT_SCOPE.to_owned(),
        profile: None,
        aliyun_config_file: "/nonexistent/config.json".into(),
    }
}
