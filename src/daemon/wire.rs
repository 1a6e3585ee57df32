//! Introduces the workers to each other: for every upstream a token slot, a keeper, a sign-in and a catalogue.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::auth::credential::Expected;
use crate::auth::custody::{Custody, Login};
use crate::auth::endpoint::TokenEndpoint;
use crate::auth::flow::Desk;
use crate::auth::keeper::{self, Keeper};
use crate::auth::source::AtWill;
use crate::auth::store::Store;
use crate::config::settings::{Auth, Settings};
use crate::daemon::catalogue::{Catalogue, Listing};
use crate::daemon::sign_in::SignIn;
use crate::daemon::{Environment, StartError};
use crate::model::server::McpServer;
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;
use crate::observe::health::Health;
use crate::proxy::server::Mounted;
use crate::token::{self, Publisher};

/// All upstreams, ready to run.
pub(super) struct Wired {
    pub(super) mounted: Vec<Mounted>,
    pub(super) keepers: Vec<Keeper>,
    pub(super) sign_ins: Vec<SignIn>,
    pub(super) catalogues: Vec<Catalogue>,
    pub(super) listings: Vec<(UpstreamName, watch::Receiver<Listing>)>,
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
    let shared = Shared { settings, environment, clock, health, desk, redirect_uri, api };
    for upstream in &settings.upstreams {
        let (publisher, tokens) = token::slot(clock.clone());
        let servers = match &upstream.auth {
            Auth::AlibabaOauth(alibaba) => shared.login(&upstream.proxy.name, alibaba, publisher, &mut wired)?,
            Auth::Source(source) => {
                let custody = Custody::AtWill(Arc::new(AtWill::new(source.clone())));
                let (keeper, _) = shared.keeper(&upstream.proxy.name, custody, publisher)?;
                wired.keepers.push(keeper);
                // Nobody lists the servers of such an upstream: rules by name stay undecided.
                watch::channel(Arc::from([])).1
            }
        };
        wired.mounted.push(Mounted { settings: upstream.proxy.clone(), tokens, catalogue: servers });
    }
    Ok(wired)
}

/// What all upstreams share.
struct Shared<'a> {
    settings: &'a Settings,
    environment: &'a Environment,
    clock: &'a Clock,
    health: &'a Health,
    desk: &'a Desk,
    redirect_uri: &'a str,
    api: ApiClient,
}

impl Shared<'_> {
    fn keeper(
        &self,
        name: &UpstreamName,
        custody: Custody,
        publisher: Publisher,
    ) -> Result<(Keeper, keeper::Handle), StartError> {
        let (health, clock) = (self.health.clone(), self.clock.clone());
        let parts = keeper::Parts { name: name.clone(), custody, publisher, health, clock, seed: seed()? };
        Ok(Keeper::start(parts))
    }

    /// An upstream with a person's login at the vendor; answers what is known of its servers.
    fn login(
        &self,
        name: &UpstreamName,
        alibaba: &AlibabaSettings,
        publisher: Publisher,
        wired: &mut Wired,
    ) -> Result<watch::Receiver<Arc<[McpServer]>>, StartError> {
        let expected = expected(alibaba);
        let endpoint = TokenEndpoint::new(self.api.clone(), &alibaba.endpoints.oauth);
        let custody = Custody::Login(Arc::new(Login {
            store: Store::new(&self.settings.state_dir, name, &expected.site, &expected.client_name),
            expected: expected.clone(),
            endpoint: endpoint.clone(),
        }));
        let (keeper, handle) = self.keeper(name, custody, publisher)?;
        let signed_in = Arc::new(Notify::new());
        wired.sign_ins.push(SignIn {
            upstream: name.clone(),
            alibaba: alibaba.clone(),
            environment: self.environment.clone(),
            api: self.api.clone(),
            clock: self.clock.clone(),
            desk: self.desk.clone(),
            endpoint,
            keeper: handle,
            expected,
            redirect_uri: self.redirect_uri.to_owned(),
            signed_in: signed_in.clone(),
        });
        let (catalogue, servers, listing) = Catalogue::new(
            &self.settings.state_dir,
            name.clone(),
            alibaba.clone(),
            self.environment.clone(),
            self.api.clone(),
            self.clock.clone(),
            signed_in,
        );
        wired.keepers.push(keeper);
        wired.catalogues.push(catalogue);
        wired.listings.push((name.clone(), listing));
        Ok(servers)
    }
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
