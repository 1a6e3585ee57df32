//! The page of `mcp-proxy ui`: how the daemon stands, who uses it, what is wrong and what to do.

phrases! {
    // The frame of the page.
    SKIP: "Skip to what is wrong", "跳到问题列表";
    RUNNING: "version {version}, running for {uptime}", "版本 {version}，已运行 {uptime}";
    NOWHERE: "no address for clients", "没有供客户端使用的地址";
    LIVE: "Live", "实时";
    LOST: "Connection lost, trying again", "连接已断开，正在重试";
    PAUSE: "Pause", "暂停";
    PAUSED: "Paused", "已暂停";
    RESUME: "Go on", "继续";
    RELOAD: "Reload", "重新加载";
    RELOAD_EVERY: "Reload every {n} s", "每 {n} 秒重新加载";
    RELOAD_BY_HAND: "Stop reloading", "停止自动加载";
    FOOT: "Read-only, apart from signing in. No token or key is ever on this page.", "除登录外均为只读。本页面绝不显示令牌或密钥。";

    // Said in one line, for the title and for screen readers.
    SUMMARY_FINE: "Ready, nothing is wrong", "就绪，一切正常";
    SUMMARY_READY: "Ready, with {n} to look at", "就绪，有 {n} 项需要留意";
    SUMMARY_NOT_READY: "Not ready: {n} to mend", "未就绪：有 {n} 项需要处理";

    // How each upstream stands.
    STANDING: "Sign-in", "登录状态";
    SIGNED_IN: "Signed in", "已登录";
    TOKEN_ENDED: "Signed in, but the token has ended", "已登录，但令牌已失效";
    SIGN_IN_NEEDED: "Sign-in needed", "需要登录";
    LOGIN_UNUSABLE: "The saved login cannot be used", "已保存的登录无法使用";
    HAS_TOKEN: "Has a token", "已有令牌";
    NO_TOKEN: "Has no token", "没有令牌";
    TOKEN: "Token", "令牌";
    TOKEN_VALID: "valid for {left}", "{left}内有效";
    TOKEN_RENEWED: "valid for {left}, renewed by itself in {next}", "{left}内有效，{next}后自动续期";
    TOKEN_GONE: "ended {ago} ago", "已于 {ago}前失效";
    TOKEN_UNKNOWN: "its end is not known", "到期时间未知";
    TOKEN_NONE: "none", "无";
    LOGIN_ENDS: "Login", "登录";
    LOGIN_LASTS: "lasts {left}, until {date}", "还剩 {left}，至 {date}";
    LOGIN_OVER: "ended on {date}", "已于 {date} 到期";
    LOGIN_UNKNOWN: "renewed for as long as the server agrees", "只要服务器同意就会一直续期";
    ACCOUNT: "Account", "账号";
    APPLICATION: "Application", "应用";
    UPSTREAM: "Upstream", "上游";
    SOURCE: "Token from", "令牌来源";
    SOURCE_ACCESS_KEY: "API credentials", "API 凭证";
    SOURCE_FILE: "a file", "文件";
    SOURCE_COMMAND: "a command", "命令";
    RENEWALS: "Renewals", "续期";
    RENEWALS_COUNT: "{renewed} renewed, {failed} failed", "成功 {renewed} 次，失败 {failed} 次";
    RENEWALS_LAST: "{renewed} renewed, {failed} failed, last {ago} ago", "成功 {renewed} 次，失败 {failed} 次，最近一次在 {ago}前";
    NO_UPSTREAMS: "No upstream is configured.", "没有配置上游。";

    // Signing in.
    SIGN_IN: "Sign in", "登录";
    SIGN_IN_AGAIN: "Sign in anew", "重新登录";
    NEW_TAB: "(opens a new tab)", "（在新标签页中打开）";
    OF_UPSTREAM: "to {upstream}", "到 {upstream}";
    NOT_YOURS: "To sign in, run {command} as root, as the user that runs mcp-proxy, or as a member of the control socket's group.", "要登录，请以 root、运行 mcp-proxy 的用户或控制套接字所属组成员的身份运行 {command}。";
    OPENING: "Opening the sign-in page", "正在打开登录页面";
    OPEN_BY_HAND: "If nothing happens, open it by hand:", "如果没有反应，请手动打开：";
    OPEN: "Open the sign-in page", "打开登录页面";
    WAITING: "A sign-in waits for its answer from the browser.", "有一个登录正在等待浏览器的回应。";
    WAITING_HOW: "If the browser ends on a page that does not load, copy the whole address of that page and paste it here.", "如果浏览器最后停在一个打不开的页面，请复制该页面的完整地址并粘贴到这里。";
    PASTE_LABEL: "Address or authorization code", "地址或授权码";
    PASTE_SEND: "Finish signing in", "完成登录";
    SAID_SIGNED_IN: "Signed in to {upstream}.", "已登录到 {upstream}。";
    SAID_NOT_SAVED: "The login is in use, but a restart would lose it: {reason}", "登录已生效，但重启后会丢失：{reason}";
    SAID_FAILED: "The sign-in did not work: {reason}", "登录未成功：{reason}";
    SAID_NOT_TAKEN: "What was pasted was not taken: {reason}", "粘贴的内容未被接受：{reason}";
    SAID_TOO_LATE: "The sign-in was given up: nobody finished it within {length}.", "登录已放弃：{length}内没有完成。";

    // What is wrong.
    CONDITIONS: "What is wrong, and what to do", "问题与处理方法";
    NOTHING_WRONG: "Nothing is wrong.", "一切正常。";
    TO_DO: "What to do:", "处理方法：";
    SINCE: "for {length}", "已持续 {length}";

    // Numbers.
    NUMBERS: "In numbers", "概况";
    UNDER_WAY: "Requests under way, {n} of them streams", "正在进行的请求，其中流 {n} 个";
    REQUESTS: "Requests since the start", "启动以来的请求";
    FAILED: "Failed or refused", "失败或被拒绝";
    SENT: "Sent to clients", "已发送给客户端";

    // Who uses it.
    CLIENTS: "Who uses it", "使用者";
    CLIENT: "Client", "客户端";
    REFUSED: "Refused", "被拒绝";
    REQUESTS_OF: "Requests", "请求";
    LAST_CALL: "Last call", "最近调用";
    NO_CLIENTS: "Nobody has called since the start.", "启动以来还没有调用。";
    AGO: "{length} ago", "{length}前";
    NOW: "now", "刚刚";

    NOT_SHOWN: "Who calls and what is called is shown to root, to the user that runs mcp-proxy, and to members of the control socket's group.", "谁在调用以及调用了什么，只显示给 root、运行 mcp-proxy 的用户和控制套接字所属组的成员。";

    // Latency.
    LATENCY: "Latency", "延迟";
    LATENCY_SAID: "{count} calls in {window}: half within {median}, 95 % within {high}, the slowest {slowest}; {failed} failed.", "最近 {window}内 {count} 次调用：一半在 {median}以内，95% 在 {high}以内，最慢 {slowest}；失败 {failed} 次。";
    LATENCY_NONE: "No call has ended yet.", "还没有完成的调用。";
    LATENCY_TABLE: "As a table", "以表格显示";
    LATENCY_ANSWERED: "answered", "已应答";
    LATENCY_FAILED: "failed", "失败";
    FROM: "Begin", "开始";
    CALLS: "Calls", "调用";
    MEDIAN: "Half within", "一半在";
    SLOWEST: "Slowest", "最慢";

    // Calls and refusals.
    LAST_CALLS: "Last calls", "最近的调用";
    WHEN: "When", "时间";
    CALL: "Call", "调用内容";
    SERVER: "Server", "服务器";
    TOOK: "Took", "耗时";
    RESULT: "Result", "结果";
    NO_CALLS: "No request has ended since the start.", "启动以来还没有完成的请求。";
    NO_ANSWER: "no answer", "无应答";
    WAS_REFUSED: "refused", "已拒绝";
    BROKE_OFF: "broken off", "中断";
    CLIENT_LEFT: "client left", "客户端离开";
    REFUSALS: "Refusals", "拒绝记录";
    RULE: "Rule", "规则";
    NO_REFUSALS: "Nothing was refused.", "没有被拒绝的请求。";

    // Servers.
    SERVERS: "MCP servers", "MCP 服务器";
    SERVERS_OF: "MCP servers of {upstream}", "{upstream} 的 MCP 服务器";
    NAME: "Name", "名称";
    ADDRESS: "Address for clients", "客户端地址";
    VERDICT: "Requests", "请求";
    ALLOWED: "pass", "允许";
    BLOCKED: "blocked", "已阻止";
    NOT_ALLOWED: "not in the list", "不在允许列表";
    UNDECIDED: "refused: not decidable", "拒绝：无法判定";
    OUT_OF_REACH: "out of reach", "无法到达";
    COPY: "Copy", "复制";
    COPIED: "Copied", "已复制";
    ADDRESS_OF: "the address of {name}", "{name} 的地址";
    LIST_SAVED: "This is the last good copy; the list could not be read since.", "这是最近一次成功读取的副本；之后未能读取列表。";
    LIST_UNKNOWN: "Its servers are not known yet.", "尚不知道它的服务器。";
    LIST_UNLISTED: "Nobody lists the servers of this upstream. Clients use the paths that it documents, at:", "没有人列出该上游的服务器。客户端使用其文档中的路径，地址为：";
    LIST_EMPTY: "The list has no server.", "列表中没有服务器。";
    MORE_SERVERS: "{n} more are said by: {command}", "另有 {n} 个，可用此命令查看：{command}";

    // What is said instead of the page.
    NO_PAGE: "There is no such page", "没有这个页面";
    NO_PAGE_HOW: "The page is at: {path}", "页面地址是：{path}";
    NOT_DONE: "Not done", "未执行";
    TOO_MANY: "The page is open too often", "页面打开过多";
    STALE_FORM: "This page is older than the daemon, or was made elsewhere. Reload the page and press the button again.", "此页面比守护进程更旧，或来自别处。请重新加载页面后再按一次按钮。";
    LINK_USED: "This link was used already", "此链接已被使用";
    LINK_USED_HOW: "Each link opens the page once, in one browser. Go back to the tab that has it open, or end the command with Ctrl-C and run it again: {command}", "每个链接只能在一个浏览器中打开一次。请回到已打开的标签页，或用 Ctrl-C 结束命令后重新运行：{command}";
    LINK_NEEDED: "Open the link of the command", "请打开命令给出的链接";
    LINK_NEEDED_HOW: "This page is for whoever has the link that the command printed. Use that link, or run it again: {command}", "此页面仅供持有该命令所打印链接的人使用。请使用该链接，或重新运行：{command}";
    FOREIGN: "Not from here", "来源不符";
    FOREIGN_HOW: "The request came under another name, from another page or from another user. Open the address that the command printed, as it stands.", "请求使用了别的名称，或来自别的页面或别的用户。请原样打开命令所打印的地址。";
    DAEMON_GONE: "The daemon gives no answer", "守护进程没有应答";
    DAEMON_GONE_HOW: "It may be restarting: reload this page in a moment. What happened is said by: {command}", "它可能正在重启：请稍后重新加载此页面。可用此命令查看原因：{command}";

    // At the terminal.
    TERMINAL_OPENING: "Opening the page in a browser. If it does not open, open this address; it works once:", "正在浏览器中打开页面。如果没有打开，请打开此地址；它只能使用一次：";
    TERMINAL_OPEN: "Open this address in a browser; it works once:", "请在浏览器中打开此地址；它只能使用一次：";
    TERMINAL_ENDS: "Ctrl-C ends this, and so do {length} without use.", "按 Ctrl-C 结束；{length}无人使用也会结束。";
    TERMINAL_IDLE: "Nobody used the page for {length}, so it ends. To open it again: {command}", "页面已有 {length}无人使用，现在结束。要再次打开：{command}";
    TERMINAL_NOBODY: "no mcp-proxy is running here, so there is nothing to show. Start it: systemctl start mcp-proxy", "这里没有运行 mcp-proxy，因此没有内容可显示。启动它：systemctl start mcp-proxy";
}
