//! What `mcp-proxy login` and the sign-in of a start in a terminal say.

phrases! {
    // What is asked of the person.
    OPENING_BROWSER:
        "Opening browser for OAuth login...\nIf it does not open, open this address:",
        "正在打开浏览器进行 OAuth 登录……\n如果浏览器没有打开，请手动打开以下地址：";
    NO_BROWSER: "No browser was opened: {why}.", "没有打开浏览器：{why}。";
    NO_GRAPHICAL_SESSION: "there is no graphical session here", "当前没有图形界面会话";
    OPENER_NOT_RUNNABLE: "{program} cannot be run: {why}", "无法运行 {program}（{why}）";
    BROWSER_FAILED:
        "The browser could not be opened; open the address above by hand.",
        "浏览器未能打开，请手动打开上面的地址。";
    OPEN_ANYWHERE:
        "Open this address in a browser on any machine, and sign in:",
        "请在任意一台设备的浏览器中打开以下地址并登录：";
    SCAN: "Or scan it with a phone:", "也可以用手机扫描二维码打开：";
    BROWSER_ARRIVES:
        "The browser then arrives at {redirect_uri}?code=... If that page does not load, that is no problem:\n\
         copy the code, or the whole address, from the address bar and paste it here.\n",
        "登录后，浏览器会跳转到 {redirect_uri}?code=...。即使该页面打不开也没有关系：\n\
         请从地址栏复制授权码或完整地址，粘贴到这里。\n";
    ENTER_CODE: "Enter authorization code or address:", "请输入授权码或完整地址：";
    NOT_TAKEN:
        "{why}.\nEnter authorization code or address:",
        "输入的内容无法使用（{why}）。\n请重新输入授权码或完整地址：";
    WAITING:
        "Waiting for the browser to arrive at {redirect_uri} ...",
        "正在等待浏览器跳转到 {redirect_uri} ……";
    CALLBACK_OUT_OF_SIGHT:
        "Note: {why}. The browser will end on a page that this command cannot see; paste the address of that page here.",
        "注意：{why}。本命令收不到浏览器最后跳转到的页面，请把该页面的地址粘贴到这里。";
    TAKE_OVER: "Take it over now? [y/N]", "现在接管该登录吗？[y/N]";

    // While the network is waited for.
    FINDING_APPLICATION: "Looking for the OAuth application", "正在查找 OAuth 应用";
    EXCHANGING_CODE: "Exchanging the code for tokens", "正在用授权码换取令牌";

    // How it ended.
    SUCCESSFUL: "OAuth login successful!", "OAuth 登录成功！";
    SIGNED_IN:
        "Signed in to {upstream} with the OAuth application '{application}'.",
        "已通过 OAuth 应用“{application}”登录 {upstream}。";
    IN_USE: "The running mcp-proxy uses it.", "运行中的 mcp-proxy 已开始使用该登录。";
    IN_USE_FOR:
        "The running mcp-proxy uses it; its token is valid for {length}.",
        "运行中的 mcp-proxy 已开始使用该登录，令牌有效期还有 {length}。";
    STOPPING:
        "The code is being exchanged; Ctrl+C once more ends that at once.",
        "正在用授权码换取令牌；再按一次 Ctrl+C 立即中止。";
    STOPPED: "Stopped. You are not signed in.", "已中止，没有登录。";
    INPUT_ENDED:
        "Not signed in: the input has ended, and callbacks do not arrive here. Run it again to paste.",
        "没有登录：输入已结束，而浏览器的回调又到达不了这里。请重新运行本命令再粘贴。";
    NO_LOGINS:
        "No upstream needs a login: the tokens of all of them come from files or commands.",
        "没有需要登录的上游：所有上游的令牌都来自文件或命令。";
    FOUND_OTHER_LOGIN:
        "Found the login of `aliyun mcp-proxy` ({file}); take it over with: mcp-proxy import",
        "发现了 `aliyun mcp-proxy` 的登录（{file}），可用以下命令接管：mcp-proxy import";
    NOT_SIGNED_IN: "Not signed in. Sign in with: mcp-proxy login", "尚未登录。请运行：mcp-proxy login";

    // What a person must act on. The reason is English, and in English it says all by itself.
    NOT_SAVED:
        "the login is in use, but a restart would lose it: {reason}",
        "登录已生效，但未能保存到磁盘，重启后会丢失：{reason}";
    FAILED_BY_CONFIGURATION: "{reason}", "未能登录，请先修正配置、凭证或 OAuth 应用：{reason}";
    FAILED_BY_REFUSAL: "{reason}", "登录被拒绝：{reason}";
    FAILED_BY_ABSENCE: "{reason}", "未能登录，所需的服务目前无法访问：{reason}";
    FAILED_FOR_NOW: "{reason}", "未能登录，请稍后重试：{reason}";
    FAILED_BY_DISK: "{reason}", "登录未能写入磁盘：{reason}";
    FAILED_BY_SYSTEM: "{reason}", "系统出错，未能登录：{reason}";
}
