//! Introduces the workers to each other: for every upstream a token slot, a keeper, a sign-in and a catalogue.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::auth::credential::Expected;
use crate::auth::endpoint::TokenEndpoint;
use crate::auth::flow::Desk;
use crate::auth::keeper::{self, Keeper};
use crate::auth::store::Store;
use crate::config::settings::{Auth, Settings};
use crate::daemon::catalogue::{Catalogue, Listing};
use crate::daemon::sign_in::SignIn;
use crate::daemon::{Environment, StartError};
use crate::model::time::Clock;
use crate::net::api_client::ApiClient;
use crate::observe::health::Health;
use crate::proxy::server::Mounted;
use crate::token;

/// All upstreams, ready to run.
pub(super) struct Wired {
    pub(super) mounted: Vec<Mounted>,
    pub(super) keepers: Vec<Keeper>,
    pub(super) sign_ins: Vec<SignIn>,
    pub(super) catalogues: Vec<Catalogue>,
    pub(super) listings: Vec<watch::Receiver<Listing>>,
}

/// Wires the upstreams of the settings.
pub(super) fn upstreams(
    settings: &Settings,
    environment: &Environment,
    clock: &Clock,
    health: &Health,
    desk: &Desk,
    redirect_uri: &str,
) -> Result<Wired, StartError> {
    let api = ApiClient::new(&settings.net)?;
    let mut wired = Wired {
        mounted: Vec::new(),
        keepers: Vec::new(),
        sign_ins: Vec::new(),
        catalogues: Vec::new(),
        listings: Vec::new(),
    };
    for upstream in &settings.upstreams {
        let Auth::AlibabaOauth(alibaba) = &upstream.auth;
        let name = &upstream.proxy.name;
        let (publisher, tokens) = token::slot(clock.clone());
        let expected = expected(alibaba);
        let endpoint = TokenEndpoint::new(api.clone(), &alibaba.endpoints.oauth);
        let (keeper, handle) = Keeper::start(keeper::Parts {
            name: name.clone(),
            store: Store::new(&settings.state_dir, name, &expected.site, &expected.client_name),
            expected: expected.clone(),
            endpoint: endpoint.clone(),
            publisher,
            health: health.clone(),
            clock: clock.clone(),
            seed: seed()?,
        });
        let signed_in = Arc::new(Notify::new());
        let sign_in = SignIn {
            upstream: name.clone(),
            alibaba: alibaba.clone(),
            environment: environment.clone(),
            api: api.clone(),
            clock: clock.clone(),
            desk: desk.clone(),
            endpoint,
            keeper: handle,
            expected,
            redirect_uri: redirect_uri.to_owned(),
            signed_in: signed_in.clone(),
        };
        let (catalogue, servers, listing) = Catalogue::new(
            &settings.state_dir,
            name.clone(),
            alibaba.clone(),
            environment.clone(),
            api.clone(),
            clock.clone(),
            signed_in,
        );
        wired.mounted.push(Mounted { settings: upstream.proxy.clone(), tokens, catalogue: servers });
        wired.keepers.push(keeper);
        wired.sign_ins.push(sign_in);
        wired.catalogues.push(catalogue);
        wired.listings.push(listing);
    }
    Ok(wired)
}

/// What the settings demand of a saved login.
fn expected(alibaba: &AlibabaSettings) -> Expected {
    Expected {
        site: alibaba.site.to_string(),
        token_endpoint: alibaba.endpoints.oauth.to_string(),
        client_name: alibaba.app_name().to_owned(),
        scope: alibaba.scope.clone(),
    }
}

fn seed() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Randomness(error.to_string()))?;
    Ok(u64::from_ne_bytes(bytes))
}
