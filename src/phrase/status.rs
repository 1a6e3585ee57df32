//! What `mcp-proxy status` says.

use crate::model::language::Language;
use crate::phrase::Phrase;

phrases! {
    // The daemon.
    DAEMON: "daemon: {where} is {state}, up {length}, {active} requests and streams open", "守护进程：{where} {state}，已运行 {length}，{active} 个请求或流进行中";
    HEALTHY: "healthy", "正常";
    DEGRADED: "degraded", "异常";
    PROCESS: "{pid}, version {version}, asked at {control}", "{pid}，版本 {version}，控制套接字 {control}";
    COUNTED: "{total} since the start, {failed} failed", "启动以来 {total} 个，失败 {failed} 个";
    NOT_LOOKED_FOR: "daemon: not looked for, because listen.port is 0", "守护进程：listen.port 为 0，未查找";
    NOBODY: "daemon: nothing listens on {address}", "守护进程：没有程序在监听 {address}";
    SOMEBODY_ELSE: "daemon: something else listens on {address}: {what}", "守护进程：{address} 上监听的是其他程序：{what}";
    ON_PORT: "daemon: {address} is {state}, token {token}", "守护进程：{address} {state}，令牌{token}";
    FOR_LENGTH: " for {length}", "（还有 {length}）";
    UP: ", up {length}", "，已运行 {length}";
    ACTIVE: ", {active} requests and streams open", "，{active} 个请求或流进行中";
    VALID: "valid", "有效";
    EXPIRED: "expired", "已过期";
    NO_TOKEN: "none", "没有";
    START_SERVICE: "start it: systemctl start mcp-proxy.socket (as root)", "启动服务：systemctl start mcp-proxy.socket（需要 root 权限）";
    START_HERE: "start it here: mcp-proxy", "在当前终端启动：mcp-proxy";

    // A login, or another source of tokens.
    SIGNED_IN: "signed in", "已登录";
    SIGNED_IN_FOR: "signed in, for another {length}", "已登录，有效期还有 {length}";
    SIGN_IN_NEEDED: "a person has to sign in", "需要有人登录";
    UNUSABLE: "the saved login cannot be used", "已保存的登录无法使用";
    SERVES: "serves", "可用";
    SERVES_NOT: "has no token", "没有令牌";
    SOURCE_ACCESS_KEY: "API credentials", "API 凭证";
    SOURCE_FILE: "a file", "文件";
    SOURCE_COMMAND: "a command", "命令";
    ENDS_IN: "ends in {length}", "{length}后到期";
    ENDED: "ended {length} ago", "已于 {length}前到期";
    END_NOT_KNOWN: "when it ends is not known", "到期时间未知";
    NONE: "none", "无";
    NOT_KNOWN: "not known", "未知";
    APPLICATION: "{application} (site {site}, scope {scope})", "{application}（站点 {site}，权限范围 {scope}）";
    CUT_OFF:
        "was cut off; if the server had answered, the login is lost and will be refused",
        "上次续期被中断；如果服务器当时已经应答，该登录已失效，将会被拒绝";
    ENCRYPTED: "{file} (encrypted, key {key})", "{file}（已加密，密钥 {key}）";
    PLAIN: "{file} (private, not encrypted)", "{file}（私有文件，未加密）";
    JUST_NOW: "just now", "刚刚";
    AGO: "{length} ago", "{length}前";
    IN: "in {length}", "{length}后";
    NEXT: "next in {length}", "下次在 {length}后";
    RENEWED: "{good} since the start, {bad} failed", "启动以来成功 {good} 次，失败 {bad} 次";
    ANSWERED: "{url} answered in {length}", "{url} 可达，应答耗时 {length}";
    ANSWERED_BADLY: "{url} answered {status} in {length}", "{url} 返回 {status}，耗时 {length}";
    OUT_OF_REACH: "{url} cannot be reached: {problem}", "{url} 无法访问：{problem}";
    CALLS_TAKE: "calls take {length} (median of {many})", "调用通常耗时 {length}（{many} 次的中位数）";

    // The names of lines.
    L_PROBLEM: "problem", "问题";
    L_TO_DO: "what to do", "处理办法";
    L_ACCOUNT: "account", "账号";
    L_APPLICATION: "application", "应用";
    L_ACCESS_TOKEN: "access token", "访问令牌";
    L_REFRESH_TOKEN: "refresh token", "刷新令牌";
    L_TOKEN: "token", "令牌";
    L_RENEWALS: "renewals", "令牌续期";
    L_LAST_RENEWAL: "last renewal", "上次续期";
    L_NEXT_RENEWAL: "next renewal", "下次续期";
    L_SAVED_IN: "saved in", "保存位置";
    L_PLACE: "place", "位置";
    L_FROM: "token from", "令牌来源";
    L_CREDENTIALS: "credentials", "API 凭证";
    L_UPSTREAM: "upstream", "上游";
    L_PROCESS: "process", "进程";
    L_REQUESTS: "requests", "请求";
    L_REASON: "reason", "原因";

    // What is wrong.
    WRONG: "What is wrong:", "存在的问题：";
    CONDITION: "{name} ({subject}): {title}", "{name}（涉及 {subject}）：{title}";
    CONDITION_FOR: "{name} ({subject}, for {length}): {title}", "{name}（涉及 {subject}，已持续 {length}）：{title}";

    // Clients and calls.
    CLIENTS: "Clients", "客户端";
    REQUESTS: "requests", "请求";
    REFUSED: "refused", "拒绝";
    LAST_CALL: "last call", "最近一次调用";
    CALLS: "Last calls", "最近的调用";
    NO_CALLS: "No call has ended since the start.", "启动以来还没有完成的调用。";
    REFUSED_BY: "refused ({rule})", "已拒绝（{rule}）";
    NO_ANSWER: "no answer", "无应答";
    CLIENT_GONE: "client gone", "客户端断开";
    BROKE_OFF: "upstream broke off", "上游中断";

    // While it is watched.
    WATCHING: "q: leave. mcp-proxy status, every second", "按 q 退出。mcp-proxy 状态，每秒刷新";
    MORE: "... {many} more lines; make the terminal larger to see them", "…… 还有 {many} 行，放大终端窗口即可查看";

    // Remedies that the daemon, which speaks English, says of a saved login.
    SIGN_IN: "Sign in with: mcp-proxy login", "请运行：mcp-proxy login";
    CHANGE_BACK:
        "Change the configuration back, or sign in with: mcp-proxy login",
        "请恢复原来的配置，或运行：mcp-proxy login";
    RUN_AS:
        "Run this as the user that runs mcp-proxy, or as root",
        "请以运行 mcp-proxy 的用户或 root 身份执行本命令";
}

/// What a daemon said in English, in `language` if it is in the catalogue.
pub fn translated(language: Language, said: &str) -> &str {
    let known: [Phrase; 3] = [SIGN_IN, CHANGE_BACK, RUN_AS];
    known.iter().find(|phrase| phrase.text(Language::English) == said).map_or(said, |phrase| phrase.text(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_stays_as_it_was_said() {
        assert_eq!(translated(Language::Chinese, "Sign in with: mcp-proxy login"), "请运行：mcp-proxy login");
        assert_eq!(translated(Language::English, "Sign in with: mcp-proxy login"), "Sign in with: mcp-proxy login");
        assert_eq!(translated(Language::Chinese, "Give the key"), "Give the key");
    }
}
