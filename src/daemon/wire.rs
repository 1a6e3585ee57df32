//! Introduces the workers to each other: for every upstream a token slot, a keeper, a sign-in and a catalogue.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::alibaba::credentials::Credentials;
use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::auth::custody::{Custody, Login};
use crate::auth::endpoint::TokenEndpoint;
use crate::auth::flow::Desk;
use crate::auth::keeper::{self, Keeper};
use crate::auth::source::AtWill;
use crate::config::settings::{Auth, Settings};
use crate::daemon::catalogue::{Catalogue, Listing};
use crate::daemon::custody::Kept;
use crate::daemon::mint::Mint;
use crate::daemon::sign_in::{self, SignIn};
use crate::daemon::{Environment, Purpose, StartError};
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
    pub(super) keepers: Vec<(Keeper, UpstreamName)>,
    pub(super) sign_ins: Vec<SignIn>,
    pub(super) catalogues: Vec<Catalogue>,
    pub(super) listings: Vec<(UpstreamName, watch::Receiver<Listing>)>,
}

/// What is known of an upstream's servers, and whom to tell that it is not enough.
type Known = (watch::Receiver<Arc<[McpServer]>>, Arc<Notify>);

/// What all upstreams share.
pub(super) struct Wiring<'a> {
    pub(super) settings: &'a Settings,
    pub(super) purpose: Purpose,
    pub(super) environment: &'a Environment,
    pub(super) clock: &'a Clock,
    pub(super) health: &'a Health,
    pub(super) desk: &'a Desk,
    pub(super) redirect_uri: &'a str,
    pub(super) api: ApiClient,
}

impl Wiring<'_> {
    /// Wires the upstreams of the settings; `kept` are the saved logins of those that have one. For a sign-in, sources
    /// that need no person are left alone.
    pub(super) fn upstreams(&self, kept: &[Kept]) -> Result<Wired, StartError> {
        let mut wired = Wired {
            mounted: Vec::new(),
            keepers: Vec::new(),
            sign_ins: Vec::new(),
            catalogues: Vec::new(),
            listings: Vec::new(),
        };
        for upstream in &self.settings.upstreams {
            let name = &upstream.proxy.name;
            let (publisher, tokens) = token::slot(self.clock.clone());
            let (servers, unknown) = match &upstream.auth {
                Auth::AlibabaOauth(_) => {
                    let Some(kept) = kept.iter().find(|kept| kept.upstream == *name) else { continue };
                    self.login(kept, publisher, &mut wired)?
                }
                Auth::AccessKey { .. } | Auth::Source(_) if self.purpose == Purpose::SignInOnly => continue,
                Auth::AccessKey { alibaba, token } => {
                    let credentials = self.credentials(alibaba);
                    let listing: Arc<Notify> = Arc::default();
                    let mint = Mint::new(credentials.clone(), token.clone(), listing.clone());
                    let custody = Custody::AtWill(Arc::new(AtWill::Minter(mint.minter())));
                    wired.keepers.push((self.keeper(name, custody, publisher)?.0, name.clone()));
                    self.catalogue(name, alibaba, credentials, listing, &mut wired)
                }
                Auth::Source(source) => {
                    let custody = Custody::AtWill(Arc::new(AtWill::new(source.clone())));
                    wired.keepers.push((self.keeper(name, custody, publisher)?.0, name.clone()));
                    // Nobody lists the servers of such an upstream: rules by name stay undecided.
                    (watch::channel(Arc::from([])).1, Arc::default())
                }
            };
            wired.mounted.push(Mounted { settings: upstream.proxy.clone(), tokens, catalogue: servers, unknown });
        }
        Ok(wired)
    }

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

    fn credentials(&self, alibaba: &AlibabaSettings) -> Credentials {
        sign_in::credentials(alibaba, self.environment, self.api.clone(), self.clock.clone())
    }

    /// An upstream with a person's login at the vendor; answers what is known of its servers.
    fn login(&self, kept: &Kept, publisher: Publisher, wired: &mut Wired) -> Result<Known, StartError> {
        let Kept { upstream: name, alibaba, expected, store } = kept;
        let endpoint = TokenEndpoint::new(self.api.clone(), &alibaba.endpoints.oauth);
        let custody = Custody::Login(Arc::new(Login {
            store: store.clone(),
            expected: expected.clone(),
            endpoint: endpoint.clone(),
        }));
        let (keeper, handle) = self.keeper(name, custody, publisher)?;
        let signed_in = Arc::new(Notify::new());
        let credentials = self.credentials(alibaba);
        wired.sign_ins.push(SignIn {
            upstream: name.clone(),
            alibaba: alibaba.clone(),
            credentials: credentials.clone(),
            clock: self.clock.clone(),
            desk: self.desk.clone(),
            endpoint,
            keeper: handle,
            expected: expected.clone(),
            redirect_uri: self.redirect_uri.to_owned(),
            signed_in: signed_in.clone(),
        });
        wired.keepers.push((keeper, name.clone()));
        Ok(self.catalogue(name, alibaba, credentials, signed_in, wired))
    }

    /// The list of an upstream's servers, read with the API credentials; read anew after each sign-in.
    fn catalogue(
        &self,
        name: &UpstreamName,
        alibaba: &AlibabaSettings,
        credentials: Credentials,
        signed_in: Arc<Notify>,
        wired: &mut Wired,
    ) -> Known {
        let (catalogue, servers, listing) =
            Catalogue::new(&self.settings.state_dir, name.clone(), alibaba.site, credentials, signed_in);
        let unknown = catalogue.unknown();
        wired.catalogues.push(catalogue);
        wired.listings.push((name.clone(), listing));
        (servers, unknown)
    }
}

fn seed() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Randomness(error.to_string()))?;
    Ok(u64::from_ne_bytes(bytes))
}
