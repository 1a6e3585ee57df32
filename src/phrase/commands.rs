//! What commands say when they are done: `logout`, `import`, `client`, `incident`, `resume`.

phrases! {
    // logout
    NO_SAVED_LOGIN:
        "{upstream}: there is no saved login ({file} does not exist); nothing was changed.",
        "{upstream}：没有已保存的登录（{file} 不存在），未做任何更改。";
    SIGNED_OUT:
        "{upstream}: signed out; {file} was overwritten and removed. {server}",
        "{upstream}：已退出登录，{file} 已被覆写并删除。{server}";
    GRANT_REVOKED: "The grant is revoked at the server.", "服务器端的授权已撤销。";
    GRANT_LIVES_ON:
        "The grant itself lives on at the server until it ends. To end it now: {console}",
        "服务器端的授权在到期之前仍然有效。如需立即撤销：{console}";
    CONSOLE:
        "in the RAM console, {console}, under OAuth applications, take back the authorization of the application {application}",
        "请在 RAM 控制台（{console}）的“OAuth 应用”中收回应用 {application} 的授权";
    DAEMON_STOPPED_USING:
        "The running mcp-proxy does not use the login any more.",
        "运行中的 mcp-proxy 已不再使用该登录。";
    DAEMON_STOPS_USING:
        "A running mcp-proxy stops using the login within two seconds.",
        "如有正在运行的 mcp-proxy，它会在两秒内停止使用该登录。";
    SET_ASIDE:
        "{upstream}: {file} holds a login that was set aside; remove it by hand.",
        "{upstream}：{file} 中还有一份被搁置的登录，请手动删除。";

    // import
    TAKEN_OVER:
        "{upstream}: took over the login in {from} with the OAuth application '{application}', and saved it in {to}. {ends}",
        "{upstream}：已接管 {from} 中的登录（OAuth 应用“{application}”），并保存到 {to}。{ends}";
    ENDS_IN: "It ends in {length}.", "该登录将在 {length}后到期。";
    END_NOT_KNOWN: "When it ends is not known.", "该登录的到期时间未知。";
    ONE_OF_TWO:
        "Do not run `aliyun mcp-proxy` with this login any more: both programs have the same refresh token now, and \
         whoever renews it first ends the other's.",
        "请不要再用 `aliyun mcp-proxy` 使用该登录：两个程序现在持有同一个刷新令牌，谁先续期，另一方的令牌就会失效。";
    DAEMON_TAKES_IT:
        "A running mcp-proxy uses it within two seconds.",
        "如有正在运行的 mcp-proxy，它会在两秒内开始使用该登录。";

    // client
    KEY_MADE:
        "made a key for the client {client}. It is shown this once. The client sends it with every request as\n\n  \
         Authorization: Bearer mcpk_...\n\nor, if that header is taken, as\n\n  X-MCP-Proxy-Key: mcpk_...\n",
        "已为客户端 {client} 生成密钥，密钥只显示这一次。客户端须在每个请求中携带\n\n  \
         Authorization: Bearer mcpk_...\n\n如果该请求头已被占用，则改用\n\n  X-MCP-Proxy-Key: mcpk_...\n";
    KEY_REMOVED:
        "Removed a key of the client {client}; it is good for nothing from now on.",
        "已删除客户端 {client} 的一个密钥，该密钥即刻失效。";
    KEYS_REMOVED:
        "Removed {many} keys of the client {client}; they are good for nothing from now on.",
        "已删除客户端 {client} 的 {many} 个密钥，这些密钥即刻失效。";

    // incident and resume
    FORWARDING_STOPPED:
        "Stopped: mcp-proxy forwards nothing, also after a restart ({file}). When it is over: mcp-proxy resume",
        "已停止：mcp-proxy 不再转发任何请求，重启后也是如此（{file}）。事件处理完毕后请运行：mcp-proxy resume";
    NO_KEYS: "No client has a key; there is nothing to rotate.", "没有客户端持有密钥，无需轮换。";
    KEYS_REPLACED:
        "The keys of all clients are replaced. The new ones, shown this once:",
        "所有客户端的密钥都已更换。新密钥如下，只显示这一次：";
    INCIDENT_OVER:
        "The incident is over: requests are forwarded again. If the logins were removed: mcp-proxy login",
        "事件已结束，恢复转发请求。如果登录已被删除，请运行：mcp-proxy login";
    NO_INCIDENT: "There is no incident; nothing was changed.", "当前没有安全事件，未做任何更改。";
}
