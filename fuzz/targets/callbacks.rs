//! What comes back from a sign-in: the query of `/callback`, and what a person pastes. `STATE` in an input stands for
//! the state of the login, which nobody can guess.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcp_proxy::auth::flow::{Attempt, Client, Desk};
use mcp_proxy::model::callback::{Callback, CallbackOutcome};
use tokio::runtime::{Builder, Runtime};
use url::Url;

static DESK: LazyLock<Desk> = LazyLock::new(Desk::default);
static ATTEMPT: LazyLock<Attempt> = LazyLock::new(|| {
    let client = Client {
        id: "40".to_owned(),
        authorization_endpoint: Url::parse("https://signin.example/oauth2/v1/auth").expect("it is a URL"),
        redirect_uri: "http://127.0.0.1:8088/callback".to_owned(),
        scope: "/acs/mcp-server".to_owned(),
    };
    DESK.begin(client).expect("there is randomness")
});
static STATE: LazyLock<String> = LazyLock::new(|| {
    let state = ATTEMPT.authorize_url().query_pairs().find(|(name, _)| name == "state");
    state.expect("it has a state").1.into_owned()
});

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime can be made");
}

fn is_of_this_login(callback: &Callback) -> bool {
    callback.state.as_ref().is_some_and(|state| state.expose() == *STATE)
}

fuzz_target!(|text: &str| {
    let text = text.replace("STATE", &STATE);
    match ATTEMPT.pasted(&text) {
        Ok(callback) => {
            assert!(callback.is_answer());
            assert!(callback.state.is_none() || is_of_this_login(&callback));
            // Terminals break lines where they like.
            let wrapped: String = text.chars().flat_map(|c| [c, '\r', '\n', ' ']).collect();
            assert_eq!(ATTEMPT.pasted(&wrapped).as_ref(), Ok(&callback));
        }
        Err(error) => assert!(!error.to_string().contains(&*STATE)),
    }
    let callback = Callback::from_query(&text);
    assert_eq!(Callback::from_query(&format!("{text}&code=second&state=second&error=second")).code.is_some(), true);
    assert!(
        !format!("{callback:?}").contains(&*STATE) || callback.error.is_some() || callback.error_description.is_some()
    );
    // Only the answer to this login would be taken, which ends it: that one is not delivered here.
    if !(callback.is_answer() && is_of_this_login(&callback)) {
        let outcome = RUNTIME.with(|runtime| runtime.block_on(DESK.deliver(callback)));
        assert_eq!(outcome, CallbackOutcome::NotExpected);
    }
});
