//! The status as people read it: what is wrong first, then each upstream, then who calls.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use crate::cli::screen::{Line, Tone, padded, wrapped};
use crate::cli::status::{Asked, Daemon, Report, calls, upstreams};
use crate::daemon::neighbour::{Neighbour, Reported};
use crate::daemon::report::Condition;
use crate::model::language::Language;
use crate::model::time::Wall;
use crate::phrase::{Phrase, conditions, status as words, time};

/// How wide the names of lines are, in columns.
const NAMES: usize = 15;
/// Names begin here.
const INDENT: &str = "  ";

/// What texts are made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer {
    pub(super) language: Language,
    pub(super) now: Wall,
    /// How many columns there are, if there is a limit.
    pub(super) width: Option<usize>,
    /// There is no room for details.
    pub(super) brief: bool,
}

/// The whole text.
pub(super) fn lines(report: &Report, language: Language, width: Option<usize>) -> Vec<Line> {
    written(report, Writer { language, now: report.now, width, brief: false })
}

/// The same without what one looks at once in a while: for a window that has no room for it.
pub(super) fn brief_lines(report: &Report, language: Language, width: Option<usize>) -> Vec<Line> {
    written(report, Writer { language, now: report.now, width, brief: true })
}

fn written(report: &Report, writer: Writer) -> Vec<Line> {
    let mut lines = Vec::new();
    match &report.daemon {
        Daemon::Asked(asked) => {
            writer.of_asked(&mut lines, asked);
            writer.conditions(&mut lines, &asked.status.conditions);
            for upstream in &asked.status.upstreams {
                let login = report.logins.iter().find(|login| login.name == upstream.name);
                upstreams::of_upstream(&writer, &mut lines, upstream, login, asked);
            }
            if let Some(recent) = &asked.recent {
                calls::lines(&writer, &mut lines, recent);
            }
        }
        Daemon::LookedFor(address, neighbour) => {
            writer.of_port(&mut lines, address.as_deref(), neighbour);
            for login in &report.logins {
                lines.push(Line::default());
                upstreams::of_login(&writer, &mut lines, login, true);
            }
        }
    }
    lines
}

impl Writer {
    pub(super) fn say(&self, phrase: Phrase) -> &'static str {
        phrase.text(self.language)
    }

    pub(super) fn fill(&self, phrase: Phrase, values: &[(&str, &dyn Display)]) -> String {
        phrase.fill(self.language, values)
    }

    pub(super) fn length(&self, duration: Duration) -> String {
        time::length(self.language, duration)
    }

    /// How long ago, in whole seconds: what a daemon says has no parts of them.
    pub(super) fn ago(&self, at: Wall) -> String {
        match self.now.since(at).as_secs() {
            0 => self.say(words::JUST_NOW).to_owned(),
            seconds => self.fill(words::AGO, &[("length", &self.length(Duration::from_secs(seconds)))]),
        }
    }

    /// Sentences, one after the other.
    pub(super) fn joined(&self, parts: &[String]) -> String {
        parts.join(match self.language {
            Language::English => "; ",
            Language::Chinese => "；",
        })
    }

    /// A line with a name, wrapped below itself.
    pub(super) fn named(&self, lines: &mut Vec<Line>, name: Phrase, tone: Tone, text: &str) {
        self.named_at(INDENT, NAMES, lines, (name, tone, text));
    }

    /// A line with a name that can be done without.
    pub(super) fn detail(&self, lines: &mut Vec<Line>, name: Phrase, text: &str) {
        if !self.brief {
            self.named(lines, name, Tone::Plain, text);
        }
    }

    fn named_at(&self, indent: &str, names: usize, lines: &mut Vec<Line>, said: (Phrase, Tone, &str)) {
        let (name, tone, text) = said;
        let width = self.width.map(|width| width.saturating_sub(indent.len() + names).max(20));
        for (number, part) in wrapped(text, width).iter().enumerate() {
            let name = if number == 0 { self.say(name) } else { "" };
            let line = Line::of(Tone::Soft, format!("{indent}{}", padded(name, names)));
            lines.push(line.and(tone, part));
        }
    }

    /// The same below a condition.
    fn below(&self, lines: &mut Vec<Line>, name: Phrase, tone: Tone, text: &str) {
        self.named_at("    ", NAMES - 2, lines, (name, tone, text));
    }

    fn of_asked(&self, lines: &mut Vec<Line>, asked: &Asked) {
        let status = &asked.status;
        let (state, tone) = self.health(status.ready);
        let up = self.length(Duration::from_secs(status.uptime));
        let values: [(&str, &dyn Display); 4] = [
            ("where", &status.listens.join(", ")),
            ("state", &state),
            ("length", &up),
            ("active", &status.requests.active),
        ];
        lines.push(Line::of(tone, self.fill(words::DAEMON, &values)));
        let control = asked.control.display();
        let process = [("pid", &status.pid as &dyn Display), ("version", &status.program), ("control", &control)];
        self.detail(lines, words::L_PROCESS, &self.fill(words::PROCESS, &process));
        let requests = [("total", &status.requests.total as &dyn Display), ("failed", &status.requests.error)];
        self.detail(lines, words::L_REQUESTS, &self.fill(words::COUNTED, &requests));
    }

    fn health(&self, is_healthy: bool) -> (&'static str, Tone) {
        match is_healthy {
            true => (self.say(words::HEALTHY), Tone::Good),
            false => (self.say(words::DEGRADED), Tone::Bad),
        }
    }

    /// What is wrong, why, and what to do. The reason is the daemon's, which speaks English; so is the remedy to those
    /// who read English: it may say more than the catalogue knows.
    fn conditions(&self, lines: &mut Vec<Line>, raised: &[Condition]) {
        if raised.is_empty() {
            return;
        }
        lines.push(Line::default());
        lines.push(Line::of(Tone::Strong, self.say(words::WRONG)));
        for condition in raised {
            let (title, remedy) = self.condition(&condition.name, Some(&condition.remedy));
            let mut values: Vec<(&str, &dyn Display)> =
                vec![("name", &condition.name), ("subject", &condition.subject), ("title", &title)];
            let lasting = condition.since.map(|since| self.now.since(since.wall()).as_secs());
            let lasting = lasting.map(|seconds| self.length(Duration::from_secs(seconds)));
            let phrase = match &lasting {
                Some(length) => {
                    values.push(("length", length));
                    words::CONDITION_FOR
                }
                None => words::CONDITION,
            };
            lines.push(Line::of(Tone::Warning, format!("{INDENT}{}", self.fill(phrase, &values))));
            self.below(lines, words::L_REASON, Tone::Plain, &condition.reason);
            self.below(lines, words::L_TO_DO, Tone::Strong, &remedy);
        }
    }

    /// Title and remedy of a condition. `said` is the daemon's remedy.
    fn condition(&self, name: &str, said: Option<&str>) -> (String, String) {
        let known = conditions::of(name);
        let title = known.map_or_else(|| name.to_owned(), |(title, _)| self.say(title).to_owned());
        let remedy = match (said, known, self.language) {
            (Some(said), _, Language::English) | (Some(said), None, _) => said.to_owned(),
            (_, Some((_, remedy)), _) => self.say(remedy).to_owned(),
            (None, None, _) => String::new(),
        };
        (title, remedy)
    }

    fn of_port(&self, lines: &mut Vec<Line>, address: Option<&str>, neighbour: &Neighbour) {
        let Some(address) = address else {
            lines.push(Line::of(Tone::Plain, self.say(words::NOT_LOOKED_FOR)));
            return;
        };
        let at: (&str, &dyn Display) = ("address", &address);
        match neighbour {
            Neighbour::None => {
                lines.push(Line::of(Tone::Warning, self.fill(words::NOBODY, &[at])));
                // Where systemd runs (sd_booted(3)), it is systemd that starts it.
                if Path::new("/run/systemd/system").is_dir() {
                    self.named(lines, words::L_TO_DO, Tone::Strong, self.say(words::START_SERVICE));
                }
                self.named(lines, words::L_TO_DO, Tone::Strong, self.say(words::START_HERE));
            }
            Neighbour::Other(what) => {
                lines.push(Line::of(Tone::Warning, self.fill(words::SOMEBODY_ELSE, &[at, ("what", what)])));
            }
            Neighbour::Proxy(reported) => self.of_health(lines, address, reported),
        }
    }

    fn of_health(&self, lines: &mut Vec<Line>, address: &str, reported: &Reported) {
        let (state, tone) = match reported.status.as_str() {
            "healthy" => self.health(true),
            "degraded" => self.health(false),
            other => (other, Tone::Bad),
        };
        let token = match reported.token_status.as_str() {
            "valid" => self.say(words::VALID),
            "expired" => self.say(words::EXPIRED),
            "none" => self.say(words::NO_TOKEN),
            other => other,
        };
        let mut text = self.fill(words::ON_PORT, &[("address", &address), ("state", &state), ("token", &token)]);
        for (phrase, length) in [(words::FOR_LENGTH, reported.token_expires_in), (words::UP, reported.uptime)] {
            if let Some(length) = length {
                text.push_str(&self.fill(phrase, &[("length", &self.length(length))]));
            }
        }
        if let Some(active) = reported.active_requests {
            text.push_str(&self.fill(words::ACTIVE, &[("active", &active)]));
        }
        lines.push(Line::of(tone, text));
        if let Some(last) = reported.last_renewal {
            self.named(lines, words::L_LAST_RENEWAL, Tone::Plain, &self.ago(last));
        }
        if let Some(next) = reported.next_renewal {
            let length = self.length(next.since(self.now));
            self.named(lines, words::L_NEXT_RENEWAL, Tone::Plain, &self.fill(words::IN, &[("length", &length)]));
        }
        if reported.conditions.is_empty() {
            return;
        }
        lines.push(Line::default());
        lines.push(Line::of(Tone::Strong, self.say(words::WRONG)));
        for name in &reported.conditions {
            let (title, remedy) = self.condition(name, None);
            lines.push(Line::of(Tone::Warning, format!("{INDENT}{name}: {title}")));
            self.below(lines, words::L_TO_DO, Tone::Strong, &remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::json;
    use crate::daemon::report::login::{Login, State, Token};
    use crate::daemon::report::reach::{Reachability, Reached};
    use crate::daemon::report::recent::{Call, ClientUse, Recent};
    use crate::daemon::report::{Date, Source, Status, Upstream};

    fn now() -> Wall {
        Wall::from_unix_seconds(1_800_000_000)
    }

    fn ago(seconds: u64) -> Option<Date> {
        Date::of(Some(now().minus(Duration::from_secs(seconds))))
    }

    fn ahead(seconds: u64) -> Option<Date> {
        Date::of(Some(now().plus(Duration::from_secs(seconds))))
    }

    fn text(report: &Report, language: Language, width: Option<usize>) -> String {
        lines(report, language, width).iter().map(|line| line.render(false, None) + "\n").collect()
    }

    fn login() -> Login {
        let token = |end: Option<Date>| Token { present: Some(true), expires_at: end, expires_in: None };
        Login {
            state: State::SignedIn,
            account: Some("12".to_owned()),
            access_token: token(ahead(10_680)),
            refresh_token: token(ahead(86_400)),
            encrypted: Some(true),
            key_id: Some("0a1b2c3d".to_owned()),
            ..Login::of_nobody()
        }
    }

    fn alone(logins: Vec<Login>, neighbour: Neighbour) -> Report {
        let daemon = Daemon::LookedFor(Some("127.0.0.1:8088".to_owned()), neighbour);
        Report { now: now(), logins, daemon, key_problem: None, notes: Vec::new() }
    }

    /// A daemon with a login, a client that was refused once, and a condition.
    fn asked() -> Report {
        let upstream = Upstream {
            name: "alibaba".to_owned(),
            mount: "/".to_owned(),
            url: "https://gw.example".to_owned(),
            source: Source::Login,
            api_credentials: None,
            serves: true,
            token_ends: ahead(10_680),
            renewals: 2,
            renewal_failures: 1,
            last_renewal: ago(720),
            next_renewal: ahead(7_200),
            login: None,
            sign_in: None,
        };
        let condition = Condition {
            name: "login-expiring".to_owned(),
            subject: "alibaba".to_owned(),
            reason: "the login ends in 7 days".to_owned(),
            remedy: "Sign in with: mcp-proxy login".to_owned(),
            since: ago(3600),
        };
        let call = Call { at: ago(5), ..json::call() };
        let refused =
            Call { at: ago(60), status: Some(403), refused_by: Some("blocked_servers".into()), ..json::call() };
        let gone =
            Call { name: None, server: None, ending: "client gone".into(), client: "uid 1000".into(), ..call.clone() };
        let client = |client: &str, refused: u64| ClientUse {
            client: client.to_owned(),
            requests: 12,
            refused,
            last: Call { client: client.to_owned(), ..call.clone() },
        };
        let recent = Recent {
            version: 1,
            time: None,
            calls: vec![call.clone(), call.clone(), call.clone(), gone, refused],
            clients: vec![client("dify", 1), client("uid 1000", 0)],
        };
        let reached =
            Reached { upstream: "alibaba".to_owned(), duration_us: Some(37_200), status: Some(401), problem: None };
        let reach = Reachability { version: 1, time: None, upstreams: vec![reached] };
        let status =
            Status { uptime: 7200, upstreams: vec![upstream], conditions: vec![condition], ..json::of_nothing() };
        let daemon =
            Daemon::Asked(Box::new(Asked { control: "/c".into(), status, recent: Some(recent), reach: Some(reach) }));
        Report { now: now(), logins: vec![login()], daemon, key_problem: None, notes: Vec::new() }
    }

    #[test]
    fn a_daemon_in_english() {
        let expected = "\
daemon: 127.0.0.1:8088 is healthy, up 2 h, 0 requests and streams open
  process        1, version 0.1.0, asked at /c
  requests       0 since the start, 0 failed

What is wrong:
  login-expiring (alibaba, for 1 h): The login ends soon
    reason       the login ends in 7 days
    what to do   Sign in with: mcp-proxy login

alibaba: signed in, for another 1 d
  account        12
  application    app (site CN, scope /acs/mcp-server)
  access token   ends in 2 h 58 min
  refresh token  ends in 1 d
  saved in       /s/logins/x.json (encrypted, key 0a1b2c3d)
  renewals       12 min ago; next in 2 h; 2 since the start, 1 failed
  upstream       https://gw.example answered in 38 ms; calls take 210 ms (median of 3)

Clients     requests  refused  last call
  dify            12        1  5 s ago  tools/call list @ecs
  uid 1000        12        0  5 s ago  tools/call list @ecs

Last calls
  5 s ago    dify      tools/call list @ecs  200                        210 ms
  5 s ago    dify      tools/call list @ecs  200                        210 ms
  5 s ago    dify      tools/call list @ecs  200                        210 ms
  5 s ago    uid 1000  tools/call            200, client gone           210 ms
  1 min ago  dify      tools/call list @ecs  refused (blocked_servers)  210 ms
";
        assert_eq!(text(&asked(), Language::English, None), expected);
    }

    #[test]
    fn a_daemon_in_chinese() {
        let expected = "\
守护进程：127.0.0.1:8088 正常，已运行 2 小时，0 个请求或流进行中
  进程           1，版本 0.1.0，控制套接字 /c
  请求           启动以来 0 个，失败 0 个

存在的问题：
  login-expiring（涉及 alibaba，已持续 1 小时）：登录即将到期
    原因         the login ends in 7 days
    处理办法     请运行：mcp-proxy login。新登录完成之前，旧登录仍可使用

alibaba: 已登录，有效期还有 1 天
  账号           12
  应用           app（站点 CN，权限范围 /acs/mcp-server）
  访问令牌       2 小时 58 分钟后到期
  刷新令牌       1 天后到期
  保存位置       /s/logins/x.json（已加密，密钥 0a1b2c3d）
  令牌续期       12 分钟前；下次在 2 小时后；启动以来成功 2 次，失败 1 次
  上游           https://gw.example 可达，应答耗时 38 毫秒；调用通常耗时 210 毫秒（3 次的中位数）

客户端      请求  拒绝  最近一次调用
  dify        12     1  5 秒前  tools/call list @ecs
  uid 1000    12     0  5 秒前  tools/call list @ecs

最近的调用
  5 秒前    dify      tools/call list @ecs  200                        210 毫秒
  5 秒前    dify      tools/call list @ecs  200                        210 毫秒
  5 秒前    dify      tools/call list @ecs  200                        210 毫秒
  5 秒前    uid 1000  tools/call            200, 客户端断开            210 毫秒
  1 分钟前  dify      tools/call list @ecs  已拒绝（blocked_servers）  210 毫秒
";
        assert_eq!(text(&asked(), Language::Chinese, None), expected);
    }

    #[test]
    fn a_login_that_is_good_for_nothing_says_what_to_do() {
        let none = Login {
            problem: Some("not signed in: no login is saved".to_owned()),
            remedy: Some("Sign in with: mcp-proxy login".to_owned()),
            ..Login::of_nobody()
        };
        let other = Neighbour::Other("it gave no answer".to_owned());
        for (language, says) in [
            (
                Language::English,
                [
                    "alibaba: a person has to sign in",
                    "  what to do     Sign in with: mcp-proxy login",
                    "it gave no answer",
                ],
            ),
            (
                Language::Chinese,
                [
                    "alibaba: 需要有人登录",
                    "  处理办法       请运行：mcp-proxy login",
                    "监听的是其他程序：it gave no answer",
                ],
            ),
        ] {
            let text = text(&alone(vec![none.clone()], other.clone()), language, None);
            for words in says {
                assert!(text.contains(words), "{words}: {text}");
            }
        }
        let away = text(&alone(Vec::new(), Neighbour::None), Language::English, None);
        assert!(
            away.contains("nothing listens on 127.0.0.1:8088") && away.contains("start it here: mcp-proxy"),
            "{away}"
        );
    }

    #[test]
    fn what_stands_with_the_condition_is_not_said_twice() {
        let mut report = asked();
        report.logins[0].problem = Some("the login ends in 7 days".to_owned());
        assert_eq!(text(&report, Language::English, None).matches("the login ends in 7 days").count(), 1);
        report.logins[0].problem = Some("something else".to_owned());
        assert!(text(&report, Language::English, None).contains("  problem        something else"));
    }

    #[test]
    fn what_answers_on_the_port_is_put_into_words() {
        let reported = Reported {
            status: "degraded".to_owned(),
            token_status: "valid".to_owned(),
            token_expires_in: Some(Duration::from_secs(60)),
            uptime: Some(Duration::from_secs(7200)),
            active_requests: Some(2),
            last_renewal: Some(now().minus(Duration::from_secs(60))),
            next_renewal: Some(now().plus(Duration::from_secs(60))),
            conditions: vec!["incident".to_owned(), "of-tomorrow".to_owned()],
        };
        let report = alone(Vec::new(), Neighbour::Proxy(reported));
        let expected = "\
守护进程：127.0.0.1:8088 异常，令牌有效（还有 1 分钟），已运行 2 小时，2 个请求或流进行中
  上次续期       1 分钟前
  下次续期       1 分钟后

存在的问题：
  incident: 所有转发已停止
    处理办法     事件处理完毕后请运行：mcp-proxy resume
  of-tomorrow: of-tomorrow
";
        assert_eq!(text(&report, Language::Chinese, None), expected);
    }

    #[test]
    fn where_room_is_scarce_details_make_way_first() {
        let lines = brief_lines(&asked(), Language::English, None);
        let text: String = lines.iter().map(|line| line.render(false, None) + "\n").collect();
        for says in ["is healthy", "login-expiring", "what to do", "signed in, for another 1 d", "answered in", "dify"]
        {
            assert!(text.contains(says), "{says}: {text}");
        }
        for detail in ["\n  process ", "\n  requests ", "\n  application ", "\n  saved in "] {
            assert!(!text.contains(detail), "{detail}: {text}");
        }
    }

    #[test]
    fn long_texts_go_on_below_themselves() {
        let text = text(&asked(), Language::Chinese, Some(50));
        assert!(
            text.contains(
                "  令牌续期       12 分钟前；下次在 2 小时后；启动\n                 以来成功 2 次，失败 1 次\n"
            ),
            "{text}"
        );
    }
}
