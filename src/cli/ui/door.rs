//! Who gets to see the page: whoever brought the link, once, and has the cookie that was given for it.
//!
//! Every program on this machine can connect to the port, and every web page can make the browser ask it something. So
//! a request must name exactly the address that is listened on, come from no other page, and carry the cookie.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use subtle::ConstantTimeEq;

use crate::model::secret::Secret;

/// The door of one page.
pub(super) struct Door {
    address: SocketAddr,
    link: Secret,
    link_was_used: AtomicBool,
    session: Secret,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It came by the link: it gets the cookie, and goes on to the page.
    Enter,
    /// It came by the link, and from who is inside already.
    Inside,
    /// It is passed on.
    Pass,
    /// It is refused.
    Refuse(Refusal),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another name, another page.
    Foreign,
    /// The link was used before.
    LinkUsed,
    /// No cookie, and no link.
    NoCookie,
    /// A path that is not passed on.
    NoSuchPath,
    /// A method that is not passed on.
    Method,
}

/// The paths that are passed on, with their methods. Nothing else of the control socket is.
const PATHS: [(&str, Method); 7] = [
    ("/ui", Method::GET),
    ("/ui/events", Method::GET),
    ("/ui/live.js", Method::GET),
    ("/ui/style.css", Method::GET),
    ("/ui/icon.svg", Method::GET),
    ("/ui/login", Method::POST),
    ("/ui/paste", Method::POST),
];

impl Door {
    /// A door at `address`, with both secrets unguessable.
    pub(super) fn new(address: SocketAddr, link: Secret, session: Secret) -> Self {
        Self { address, link, link_was_used: AtomicBool::new(false), session }
    }

    /// The address that opens the page, once.
    pub(super) fn link(&self) -> Secret {
        Secret::new(format!("http://{}/?once={}", self.address, self.link.expose()))
    }

    /// The cookie for whoever came by the link.
    pub(super) fn cookie(&self) -> Option<HeaderValue> {
        // Cookies know no ports: pages on other ports have other names.
        let text = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name(), self.session.expose());
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn cookie_name(&self) -> String {
        format!("mcp-proxy-ui-{}", self.address.port())
    }

    /// Judges a request.
    pub(super) fn judge(&self, head: &Parts) -> Judgement {
        if let Err(refusal) = self.is_own(head) {
            return Judgement::Refuse(refusal);
        }
        let path = head.uri.path();
        if path == "/" && head.method == Method::GET {
            return self.entered(head);
        }
        if !self.has_cookie(&head.headers) {
            return Judgement::Refuse(Refusal::NoCookie);
        }
        match PATHS.iter().find(|(known, _)| *known == path) {
            Some((_, method)) if *method == head.method => Judgement::Pass,
            Some(_) => Judgement::Refuse(Refusal::Method),
            None if path == "/" => Judgement::Refuse(Refusal::Method),
            None => Judgement::Refuse(Refusal::NoSuchPath),
        }
    }

    /// Somebody at the front: by the link, or inside already.
    fn entered(&self, head: &Parts) -> Judgement {
        if self.has_cookie(&head.headers) {
            return Judgement::Inside;
        }
        let fields = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let Some((_, once)) = fields.into_iter().find(|(name, _)| name == "once") else {
            return Judgement::Refuse(Refusal::NoCookie);
        };
        if !is_same(&once, &self.link) {
            return Judgement::Refuse(Refusal::NoCookie);
        }
        match self.link_was_used.swap(true, Ordering::AcqRel) {
            false => Judgement::Enter,
            true => Judgement::Refuse(Refusal::LinkUsed),
        }
    }

    fn is_own(&self, head: &Parts) -> Result<(), Refusal> {
        let own = self.address.to_string();
        let values =
            |name: HeaderName| head.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
        let of_another_page = |site: &[u8]| !matches!(site, b"same-origin" | b"none");
        let (hosts, origins) = (values(header::HOST), values(header::ORIGIN));
        let sites = values(HeaderName::from_static("sec-fetch-site"));
        let origin = format!("http://{own}");
        let is_post = head.method == Method::POST;
        // A link on another page may lead to the front; nothing else may.
        let may_be_led = head.method == Method::GET && matches!(head.uri.path(), "/" | "/ui");
        let wrong = hosts != [own.as_bytes()]
            || origins.len() > 1
            || origins.iter().any(|found| *found != origin.as_bytes())
            || (is_post && origins.is_empty())
            || (!may_be_led && sites.into_iter().any(of_another_page));
        if wrong { Err(Refusal::Foreign) } else { Ok(()) }
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = self.cookie_name();
        let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
        let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(own, value)| own == name && is_same(value, &self.session))
    }
}

/// Takes as long for a text that is nearly right as for one that is not.
fn is_same(text: &str, secret: &Secret) -> bool {
    text.as_bytes().ct_eq(secret.expose().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const OWN: &str = "127.0.0.1:40123";
    const COOKIE: &str = "mcp-proxy-ui-40123=session";

    fn door() -> Door {
        Door::new(OWN.parse().unwrap(), Secret::new("link"), Secret::new("session"))
    }

    fn judged(door: &Door, method: &str, target: &str, headers: &[(&str, &str)]) -> Judgement {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        door.judge(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_link_lets_in_once() {
        let door = door();
        let by_link = |target: &str| judged(&door, "GET", target, &[("host", OWN)]);
        for wrong in ["/", "/?once=", "/?once=lin", "/?once=link2", "/?other=link"] {
            assert_eq!(by_link(wrong), Judgement::Refuse(Refusal::NoCookie), "{wrong}");
        }
        let head = judged(&door, "HEAD", "/?once=link", &[("host", OWN)]);
        assert_eq!(head, Judgement::Refuse(Refusal::NoCookie), "whoever looks at links uses nothing up");
        assert_eq!(by_link("/?once=link"), Judgement::Enter);
        assert_eq!(by_link("/?once=link"), Judgement::Refuse(Refusal::LinkUsed));
        let again = judged(&door, "GET", "/?once=link", &[("host", OWN), ("cookie", COOKIE)]);
        assert_eq!(again, Judgement::Inside);
        assert_eq!(door.link().expose(), "http://127.0.0.1:40123/?once=link");
        let cookie = door.cookie().unwrap();
        assert!(cookie.is_sensitive());
        assert_eq!(cookie.to_str().unwrap(), format!("{COOKIE}; Path=/; HttpOnly; SameSite=Strict"));
    }

    #[test]
    fn without_the_cookie_there_is_nothing() {
        let door = door();
        for cookie in ["", "mcp-proxy-ui-40123=", "mcp-proxy-ui-40123=sessio", "mcp-proxy-ui-1=session", "session"] {
            for path in ["/ui", "/ui/events", "/ui/live.js", "/status"] {
                let judgement = judged(&door, "GET", path, &[("host", OWN), ("cookie", cookie)]);
                assert_eq!(judgement, Judgement::Refuse(Refusal::NoCookie), "{path} {cookie}");
            }
        }
        let among_others = format!("a=b; {COOKIE}; c=d");
        assert_eq!(judged(&door, "GET", "/ui", &[("host", OWN), ("cookie", &among_others)]), Judgement::Pass);
    }

    #[test]
    fn nothing_but_the_page_is_passed_on() {
        let door = door();
        let origin = "http://127.0.0.1:40123";
        for (method, path, expected) in [
            ("GET", "/ui", Judgement::Pass),
            ("GET", "/ui?lang=zh-CN", Judgement::Pass),
            ("GET", "/ui/events", Judgement::Pass),
            ("POST", "/ui/login", Judgement::Pass),
            ("POST", "/ui/paste", Judgement::Pass),
            ("HEAD", "/ui", Judgement::Refuse(Refusal::Method)),
            ("GET", "/ui/login", Judgement::Refuse(Refusal::Method)),
            ("POST", "/ui", Judgement::Refuse(Refusal::Method)),
            ("POST", "/", Judgement::Refuse(Refusal::Method)),
            ("DELETE", "/ui", Judgement::Refuse(Refusal::Method)),
            ("POST", "/logout", Judgement::Refuse(Refusal::NoSuchPath)),
            ("GET", "/status", Judgement::Refuse(Refusal::NoSuchPath)),
            ("GET", "/ui/", Judgement::Refuse(Refusal::NoSuchPath)),
            ("GET", "/ui/../status", Judgement::Refuse(Refusal::NoSuchPath)),
            ("GET", "/ui%2f..%2fstatus", Judgement::Refuse(Refusal::NoSuchPath)),
        ] {
            let headers = [("host", OWN), ("cookie", COOKIE), ("origin", origin)];
            assert_eq!(judged(&door, method, path, &headers), expected, "{method} {path}");
        }
    }

    #[test]
    fn other_names_and_other_pages_are_foreign() {
        let door = door();
        let foreign = |method: &str, path: &str, headers: &[(&str, &str)]| {
            let mut all = vec![("cookie", COOKIE)];
            all.extend(headers);
            judged(&door, method, path, &all) == Judgement::Refuse(Refusal::Foreign)
        };
        for host in
            ["localhost:40123", "127.0.0.1", "127.0.0.1:40124", "evil.example:40123", "127.0.0.1:40123.evil", ""]
        {
            assert!(foreign("GET", "/ui", &[("host", host)]), "{host}");
        }
        assert!(foreign("GET", "/ui", &[]) && foreign("GET", "/ui", &[("host", OWN), ("host", OWN)]));
        for origin in ["http://evil.example", "null", "http://127.0.0.1:40124", "https://127.0.0.1:40123"] {
            assert!(foreign("POST", "/ui/login", &[("host", OWN), ("origin", origin)]), "{origin}");
            assert!(foreign("GET", "/ui/events", &[("host", OWN), ("origin", origin)]), "{origin}");
        }
        assert!(foreign("POST", "/ui/login", &[("host", OWN)]), "browsers say the origin of a form");
        for site in ["cross-site", "same-site"] {
            assert!(foreign("GET", "/ui/events", &[("host", OWN), ("sec-fetch-site", site)]));
            assert!(!foreign("GET", "/ui", &[("host", OWN), ("sec-fetch-site", site)]));
        }
    }
}
