//! Introduces the workers to each other: for every upstream a token slot, a keeper, a sign-in and a catalogue.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::auth::endpoint::TokenEndpoint;
use crate::auth::flow::Desk;
use crate::auth::keeper::{self, Keeper};
use crate::config::settings::Settings;
use crate::daemon::catalogue::{Catalogue, Listing};
use crate::daemon::custody::Kept;
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

/// Wires the upstreams of the settings; `kept` are their saved logins, in the same order.
pub(super) fn upstreams(
    settings: &Settings,
    kept: Vec<Kept>,
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
    for (upstream, kept) in settings.upstreams.iter().zip(kept) {
        let Kept { upstream: name, alibaba, expected, store } = kept;
        let (publisher, tokens) = token::slot(clock.clone());
        let endpoint = TokenEndpoint::new(api.clone(), &alibaba.endpoints.oauth);
        let (keeper, handle) = Keeper::start(keeper::Parts {
            name: name.clone(),
            store,
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

fn seed() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Randomness(error.to_string()))?;
    Ok(u64::from_ne_bytes(bytes))
}
