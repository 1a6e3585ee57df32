//! The client for the data path: no limit on the length of an exchange, and bodies that are never collected.
//!
//! Each upstream has a [`Pool`] of its own, so that none can hold up another.

use std::sync::Arc;

use http::Uri;

use crate::model::upstream::Origin;
use crate::net::connector::Connector;
use crate::net::pool::{Dial, Pool, Tally};
use crate::net::settings::Settings;
use crate::net::tls::TlsError;

/// Reaches upstreams. Cheap to clone.
#[derive(Clone)]
pub struct StreamClient {
    connector: Arc<Connector>,
}

impl StreamClient {
    /// Makes a client. `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are respected.
    ///
    /// # Errors
    /// When no TLS configuration can be made from the settings.
    pub fn new(settings: &Settings) -> Result<Self, TlsError> {
        Ok(Self { connector: Arc::new(Connector::new(settings)?) })
    }

    /// The connections to one upstream, for requests with bodies of type `B`, counted in `tally`. None is opened before
    /// it is needed.
    pub fn at<B>(&self, origin: &Origin, tally: Arc<Tally>) -> Pool<B> {
        let (connector, scheme, authority) = (self.connector.clone(), origin.scheme(), origin.authority().clone());
        let dial: Dial = Box::new(move || {
            let (connector, scheme, authority) = (connector.clone(), scheme.clone(), authority.clone());
            Box::pin(async move {
                let target = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
                connector.connect(target.map_err(|error| error.to_string())?).await
            })
        });
        Pool::new(dial, tally)
    }
}
