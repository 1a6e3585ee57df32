//! What a test may change in a running stand-in.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::api::applications;
use crate::cloud::Cloud;
use crate::cloud::accounts::{ACCOUNT, AccessKey, KEY};
use crate::cloud::faults::{ApiFault, Faults, GatewayFault, TokenFault};
use crate::cloud::holds::Told;
use crate::cloud::settings::{Consent, ExpiresIn, SignedInAs};
use crate::gateway::servers;
use crate::random;

/// Faults. `times` says for how many calls; `None` means until [`Cloud::clear_faults`].
impl Cloud {
    /// Makes the token endpoint fail.
    pub fn fail_token(&self, fault: TokenFault, times: Option<u32>) {
        self.state.faults.lock().arm_token(fault, times);
    }

    /// Makes the gateway's data plane fail.
    pub fn fail_gateway(&self, fault: GatewayFault, times: Option<u32>) {
        self.state.faults.lock().arm_gateway(fault, times);
    }

    /// Makes the signed API fail.
    pub fn fail_api(&self, fault: ApiFault, times: Option<u32>) {
        self.state.faults.lock().arm_api(fault, times);
    }

    /// Makes one action of the signed API fail; this goes before [`Cloud::fail_api`].
    pub fn fail_action(&self, action: &str, fault: ApiFault, times: Option<u32>) {
        self.state.faults.lock().arm_action(action, fault, times);
    }

    /// Everything works again (connections are accepted again as well).
    pub fn clear_faults(&self) {
        *self.state.faults.lock() = Faults::default();
        self.refuse_connections(false);
        self.refuse_token_connections(false);
    }

    /// Closes the cloud's listener (`ECONNREFUSED` for clients) or opens it again on its port.
    pub fn refuse_connections(&self, refuse: bool) {
        self.state.connections.refuse_cloud(refuse);
    }

    /// The same for the listener of [`crate::Sandbox::token_url`] alone.
    pub fn refuse_token_connections(&self, refuse: bool) {
        self.state.connections.refuse_token(refuse);
    }

    /// Cuts every open connection; how many.
    pub fn cut_connections(&self) -> usize {
        self.state.connections.cut(|_| true)
    }

    /// Closes every connection on which nothing is asked or answered right now, as servers do
    /// with kept-alive ones; how many.
    pub fn close_idle_connections(&self) -> usize {
        self.state.connections.cut(|connection| !connection.is_busy())
    }

    /// Cuts every connection on which something is asked or answered right now; how many.
    pub fn cut_streams(&self) -> usize {
        self.state.connections.cut(|connection| connection.is_busy())
    }

    /// Sends bytes on every stream of `/lab/hold`; how many streams there are.
    pub fn say_on_holds(&self, bytes: impl Into<Bytes>) -> usize {
        self.state.holds.tell(Told::Say(bytes.into()))
    }

    /// Ends every stream of `/lab/hold`; how many there were.
    pub fn end_holds(&self) -> usize {
        self.state.holds.tell(Told::End)
    }
}

/// Time, tokens and permissions.
impl Cloud {
    /// Sets the cloud's clock to this many seconds ahead of the machine's.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.state.clock.set_offset(seconds);
    }

    /// Lets time pass.
    pub fn advance_clock(&self, seconds: i64) {
        self.state.clock.advance(seconds);
    }

    /// Seconds the cloud's clock is ahead.
    pub fn clock_offset(&self) -> i64 {
        self.state.clock.offset()
    }

    /// Life of access tokens issued from now on; `None`: what the application says.
    pub fn set_access_token_life(&self, seconds: Option<i64>) {
        self.state.settings.lock().access_token_life = seconds;
    }

    /// Life of refresh tokens issued from now on, counted from the authorization; `None`: what
    /// the application says.
    pub fn set_refresh_token_life(&self, seconds: Option<i64>) {
        self.state.settings.lock().refresh_token_life = seconds;
    }

    /// How `expires_in` stands in token answers.
    pub fn set_expires_in(&self, form: ExpiresIn) {
        self.state.settings.lock().expires_in = form;
    }

    /// Whether a refresh answer carries a new refresh token. Without one the old stays alive.
    pub fn set_rotation(&self, rotate: bool) {
        self.state.settings.lock().rotate = rotate;
    }

    /// Whether the second use of a dead refresh token revokes the whole grant.
    pub fn set_reuse_revokes(&self, revokes: bool) {
        self.state.settings.lock().reuse_revokes = revokes;
    }

    /// Revokes all access tokens; refresh tokens stay good. How many were live.
    pub fn revoke_access_tokens(&self) -> usize {
        self.state.grants.lock().revoke_all_access()
    }

    /// Revokes all grants with all their tokens, as the console does. How many were live.
    pub fn revoke_grants(&self) -> usize {
        self.state.grants.lock().revoke_all()
    }

    /// Lets a key do an action (`ram:CreateApplication`; `*` for all) or not.
    pub fn set_permission(&self, access_key_id: &str, action: &str, allowed: bool) {
        if let Some(key) = self.state.accounts.lock().get_mut(access_key_id) {
            if allowed {
                key.denied.remove(action);
            } else {
                key.denied.insert(action.to_owned());
            }
        }
    }

    /// Makes another access key for the default account; its id and secret.
    pub fn create_access_key(&self) -> (String, String) {
        let (id, secret) = (format!("LTAI5t{}", random::token(18)), random::token(30));
        let mut accounts = self.state.accounts.lock();
        let account = accounts.get(KEY).map_or_else(|| ACCOUNT.to_owned(), |key| key.account.clone());
        accounts.add(AccessKey {
            id: id.clone(),
            secret: secret.clone(),
            account,
            active: true,
            session: None,
            denied: BTreeSet::new(),
        });
        drop(accounts);
        self.issued(&secret);
        (id, secret)
    }

    /// Deletes a key: it is unknown from now on.
    pub fn delete_access_key(&self, access_key_id: &str) {
        self.state.accounts.lock().remove(access_key_id);
    }

    /// Enables or disables a key.
    pub fn set_key_active(&self, access_key_id: &str, active: bool) {
        if let Some(key) = self.state.accounts.lock().get_mut(access_key_id) {
            key.active = active;
        }
    }

    /// Ends the life of a temporary key at this moment of the cloud's clock.
    pub fn expire_session(&self, access_key_id: &str) {
        let now = self.now();
        if let Some(key) = self.state.accounts.lock().get_mut(access_key_id)
            && let Some(session) = &mut key.session
        {
            session.expires_at = now;
        }
    }

    /// Creates an application of the default account, by the rules of the API, as its owner does in the console.
    /// Its client id; `None` when the API would refuse.
    pub fn create_application(
        &self,
        name: &str,
        app_type: &str,
        redirect_uris: &[&str],
        scopes: &[&str],
    ) -> Option<String> {
        let account = self.state.accounts.lock().get(KEY)?.account.clone();
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let parameters = vec![
            pair("AppName", name),
            pair("DisplayName", name),
            pair("AppType", app_type),
            pair("RedirectUris", &redirect_uris.join(";")),
            pair("PredefinedScopes", &scopes.join(";")),
        ];
        let created = applications::create(self, &account, &parameters).ok()?;
        created["Application"]["AppId"].as_str().map(str::to_owned)
    }

    /// What `aliyun ims UpdateApplication` does, with the parameters of that call; false if the cloud refuses them.
    pub fn update_application(&self, parameters: &[(&str, &str)]) -> bool {
        let Some(account) = self.state.accounts.lock().get(KEY).map(|key| key.account.clone()) else { return false };
        let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        applications::update(self, &account, &parameters.iter().map(pair).collect::<Vec<_>>()).is_ok()
    }

    /// Makes a client secret for an application; `None` when there is no such application.
    pub fn create_client_secret(&self, client_id: &str) -> Option<String> {
        let mut applications = self.state.applications.lock();
        let application = applications.by_client_id_mut(client_id)?;
        let secret = random::token(64);
        application.secrets.push(secret.clone());
        drop(applications);
        self.issued(&secret);
        Some(secret)
    }
}

/// The sign-in page and the server list.
impl Cloud {
    /// What the sign-in page does.
    pub fn set_consent(&self, consent: Consent) {
        self.state.settings.lock().consent = consent;
    }

    /// Who signs in from now on.
    pub fn sign_in_as(&self, who: SignedInAs) {
        self.state.settings.lock().signed_in_as = who;
    }

    /// Servers per page of the list.
    pub fn set_page_size(&self, size: usize) {
        self.state.settings.lock().page_size = size.max(1);
    }

    /// Adds a custom server (names may repeat, as in the cloud); its id.
    pub fn add_server(&self, name: &str) -> String {
        let entry = servers::custom(name);
        let id = entry.id.clone();
        self.state.servers.lock().push(entry);
        id
    }

    /// Removes a server from the list and from its path.
    pub fn remove_server(&self, id: &str) {
        self.state.servers.lock().retain(|own| own.id != id);
    }

    /// Where the URLs in the server list point, for example `https://localhost:4433`.
    pub fn set_public_base(&self, base: &str) {
        self.state.settings.lock().public_base = base.trim_end_matches('/').to_owned();
    }

    /// Where the URLs for the vendor's own network point in the server list.
    pub fn set_vpc_base(&self, base: &str) {
        self.state.settings.lock().vpc_base = base.trim_end_matches('/').to_owned();
    }

    /// Whether the metadata service insists on its token (`IMDSv2` only).
    pub fn set_metadata_hardened(&self, hardened: bool) {
        self.state.settings.lock().metadata_hardened = hardened;
    }

    /// Whether the metadata service is one that knows no tokens (`IMDSv1` only).
    pub fn set_metadata_old(&self, old: bool) {
        self.state.settings.lock().metadata_old = old;
    }

    /// Whether clients of Streamable HTTP get a stream to listen on; without, a GET is answered 405.
    pub fn set_listening(&self, listening: bool) {
        self.state.settings.lock().listening = listening;
    }

    /// Whether RamOAuth accepts V3 signatures, which nobody has seen it do.
    pub fn set_ramoauth_v3(&self, accepts: bool) {
        self.state.settings.lock().ramoauth_v3 = accepts;
    }

    /// Whether `/v1/exchange` answers `AccessKeyId`, which one official SDK insists on, for `accessKeyId`, which the
    /// others do.
    pub fn set_exchange_upper_case(&self, upper: bool) {
        self.state.settings.lock().exchange_upper_case = upper;
    }

    /// Whether the `endpoint` event of the old transport carries a whole URL.
    pub fn set_absolute_endpoint(&self, absolute: bool) {
        self.state.settings.lock().absolute_endpoint = absolute;
    }
}
