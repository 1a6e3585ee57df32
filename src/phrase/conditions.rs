//! Conditions: a title and a remedy for each. docs/OPERATING.md lists them, and a test holds the two together.

use crate::phrase::Phrase;

phrases! {
    LOGIN_REQUIRED: "A person has to sign in", "需要有人登录";
    LOGIN_REQUIRED_REMEDY:
        "Sign in with: mcp-proxy login. If the reason names the configuration or a key, mend that and restart instead",
        "请运行：mcp-proxy login。如果原因是配置或密钥，请先修正，然后重启";
    TOKEN_RENEWAL_FAILING: "The token cannot be renewed", "令牌续期失败";
    TOKEN_RENEWAL_FAILING_REMEDY:
        "It is tried again by itself; if it lasts, mend what the reason names: network, proxy, file, command or credentials",
        "程序会自动重试；如果持续失败，请按原因修复：网络、代理设置、文件、命令或凭证";
    TOKEN_NOT_DURABLE: "The newest tokens are not on disk", "最新的令牌尚未写入磁盘";
    TOKEN_NOT_DURABLE_REMEDY:
        "Make room, or give the daemon's user write access to the state directory; do not restart before it is saved",
        "请清理磁盘空间，或让守护进程的用户能够写入状态目录；保存成功之前不要重启";
    LOGIN_EXPIRING: "The login ends soon", "登录即将到期";
    LOGIN_EXPIRING_REMEDY:
        "Sign in with: mcp-proxy login. The old login serves until the new one is there",
        "请运行：mcp-proxy login。新登录完成之前，旧登录仍可使用";
    RELOAD_FAILED: "The new configuration is not in force", "新配置没有生效";
    RELOAD_FAILED_REMEDY:
        "See what is wrong with: mcp-proxy check-config; mend it and reload again",
        "请运行 mcp-proxy check-config 查看错误，修正后重新加载";
    CALLERS_UNKNOWN: "It is not known who calls over TCP", "无法得知谁在通过 TCP 调用";
    CALLERS_UNKNOWN_REMEDY:
        "As a service: systemctl restart mcp-proxy, with mcp-proxy-diag.socket not masked. Elsewhere allow sockets of \
         AF_NETLINK, or set access.others",
        "作为服务运行时：确认 mcp-proxy-diag.socket 没有被屏蔽，然后运行 systemctl restart mcp-proxy；\
         其他环境：允许 AF_NETLINK 套接字，或设置 access.others";
    REGISTER_UNUSABLE: "The file of client keys and people cannot be read", "客户端密钥和登录者的登记文件无法读取";
    REGISTER_UNUSABLE_REMEDY:
        "Mend what the reason names; or remove the file, make new client keys and sign in again",
        "请按原因修复；或者删除该文件，重新生成客户端密钥并重新登录";
    OPEN_TO_ANYONE: "Open to everybody", "对所有人开放";
    OPEN_TO_ANYONE_REMEDY:
        "Set access.others = \"owner\", and a [[client]] for each other caller",
        "请设置 access.others = \"owner\"，并为其他调用者分别配置 [[client]]";
    TLS_CERTIFICATE_EXPIRES: "The certificate for clients ends soon", "面向客户端的证书即将到期";
    TLS_CERTIFICATE_EXPIRES_REMEDY:
        "Put a new one in its place, and reload mcp-proxy",
        "请换上新的证书，然后重新加载 mcp-proxy";
    METRICS_NOT_SERVED: "The address for metrics cannot be had", "指标地址无法监听";
    METRICS_NOT_SERVED_REMEDY:
        "Give metrics an address of their own, then restart; requests are served meanwhile",
        "请为指标设置单独的地址，然后重启；在此期间请求仍正常转发";
    INCIDENT: "All forwarding is stopped", "所有转发已停止";
    INCIDENT_REMEDY: "When the incident is over: mcp-proxy resume", "事件处理完毕后请运行：mcp-proxy resume";
    AUDIT_NOT_WRITTEN: "The audit trail cannot be written", "审计记录无法写入";
    AUDIT_NOT_WRITTEN_REMEDY:
        "Make room, or give the daemon's user a file that it can write; it is tried again every second",
        "请清理磁盘空间，或让守护进程的用户能够写入该文件；程序每秒重试一次";
    RESTART_NEEDED: "Changes wait for a restart", "部分改动需要重启后生效";
    RESTART_NEEDED_REMEDY: "Restart mcp-proxy when it suits", "请在方便时重启 mcp-proxy";
}

/// Name, title and remedy of each.
pub const CONDITIONS: &[(&str, Phrase, Phrase)] = &[
    ("login-required", LOGIN_REQUIRED, LOGIN_REQUIRED_REMEDY),
    ("token-renewal-failing", TOKEN_RENEWAL_FAILING, TOKEN_RENEWAL_FAILING_REMEDY),
    ("token-not-durable", TOKEN_NOT_DURABLE, TOKEN_NOT_DURABLE_REMEDY),
    ("login-expiring", LOGIN_EXPIRING, LOGIN_EXPIRING_REMEDY),
    ("reload-failed", RELOAD_FAILED, RELOAD_FAILED_REMEDY),
    ("callers-unknown", CALLERS_UNKNOWN, CALLERS_UNKNOWN_REMEDY),
    ("register-unusable", REGISTER_UNUSABLE, REGISTER_UNUSABLE_REMEDY),
    ("open-to-anyone", OPEN_TO_ANYONE, OPEN_TO_ANYONE_REMEDY),
    ("tls-certificate-expires", TLS_CERTIFICATE_EXPIRES, TLS_CERTIFICATE_EXPIRES_REMEDY),
    ("metrics-not-served", METRICS_NOT_SERVED, METRICS_NOT_SERVED_REMEDY),
    ("incident", INCIDENT, INCIDENT_REMEDY),
    ("audit-not-written", AUDIT_NOT_WRITTEN, AUDIT_NOT_WRITTEN_REMEDY),
    ("restart-needed", RESTART_NEEDED, RESTART_NEEDED_REMEDY),
];

/// What a condition means, in a few words, and what to do about it. `None` for a name that is not known here: a newer
/// daemon may have more.
pub fn of(name: &str) -> Option<(Phrase, Phrase)> {
    CONDITIONS.iter().find(|(known, ..)| *known == name).map(|(_, title, remedy)| (*title, *remedy))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_documented_condition_has_its_words_and_no_other() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATING.md")).unwrap();
        let table = page.split_once("| Condition |").unwrap().1.split_once("\n\n").unwrap().0;
        let documented: BTreeSet<&str> =
            table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
        let known: BTreeSet<&str> = CONDITIONS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(known, documented);
        assert_eq!(known.len(), CONDITIONS.len());
    }
}
