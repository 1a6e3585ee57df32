//! `GET /clients`, `POST /clients/add` and `/clients/remove`: the clients of the configuration in force, and their keys.

use crate::daemon::control::Context;
use crate::daemon::control::protocol::{AddedKey, KeyRequest, RemovedKeys};
use crate::daemon::ledger::LedgerError;
use crate::daemon::report::clients::{self, Clients, takes_keys};
use crate::model::client::ClientName;
use crate::policy::client::Clients as Configured;

/// Why a key is not made or removed.
pub(super) enum NotDone {
    /// The request cannot be served.
    Asked(String),
    /// The disk is in the way.
    Kept(LedgerError),
}

/// All clients and their keys.
pub(super) fn list(context: &Context) -> Clients {
    clients::listed(&configured(context), &context.registrar.register().keys, context.clock.now().wall)
}

/// Makes a key.
pub(super) async fn add(context: &Context, request: KeyRequest) -> Result<AddedKey, NotDone> {
    let name = name(&request)?;
    takes_keys(&configured(context), &name).map_err(NotDone::Asked)?;
    let (client, now) = (name.clone(), context.clock.now().wall);
    let key = context.registrar.change(move |ledger| ledger.add(&client, now)).await.map_err(NotDone::Kept)?;
    tracing::info!(client = %name, "a client key was made");
    Ok(AddedKey { client: name.to_string(), key: key.expose().to_owned() })
}

/// Removes the keys of a client, or one of them.
pub(super) async fn remove(context: &Context, request: KeyRequest) -> Result<RemovedKeys, NotDone> {
    let name = name(&request)?;
    let client = name.clone();
    let change = context.registrar.change(move |ledger| ledger.remove(&client, request.fingerprint.as_deref()));
    let removed = change.await.map_err(NotDone::Kept)?;
    tracing::info!(client = %name, removed, "client keys were removed");
    Ok(RemovedKeys { removed })
}

fn configured(context: &Context) -> Configured {
    context.server.as_ref().map(|server| server.clients()).unwrap_or_default()
}

fn name(request: &KeyRequest) -> Result<ClientName, NotDone> {
    ClientName::parse(&request.client).ok_or_else(|| NotDone::Asked("there can be no client of that name".to_owned()))
}
