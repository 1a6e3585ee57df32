//! A source that asks a service for each token. Which one, and how, is known to the layer above alone.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::auth::credential::TokenAnswer;
use crate::auth::machine::Failure;

/// A token on its way.
pub type Minting = Pin<Box<dyn Future<Output = Result<TokenAnswer, Failure>> + Send>>;

/// The source.
pub struct Minter {
    name: String,
    remedy: &'static str,
    ask: Box<dyn Fn() -> Minting + Send + Sync>,
    has_changed: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Minter {
    /// A source that is called `name` in messages, with what a person can do when it gives no token.
    pub fn new(name: String, remedy: &'static str, ask: impl Fn() -> Minting + Send + Sync + 'static) -> Self {
        Self { name, remedy, ask: Box::new(ask), has_changed: Box::new(|| false) }
    }

    /// The same, where `has_changed` says, quickly, whether what tokens are asked for with has changed since.
    pub fn noticing(self, has_changed: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { has_changed: Box::new(has_changed), ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn remedy(&self) -> &'static str {
        self.remedy
    }

    pub(super) fn has_changed(&self) -> bool {
        (self.has_changed)()
    }

    pub(super) fn ask(&self) -> Minting {
        (self.ask)()
    }
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter").field("name", &self.name).finish_non_exhaustive()
    }
}
