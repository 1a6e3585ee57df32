//! The pages that a browser shows at the end of a sign-in.

phrases! {
    SIGNED_IN: "Signed in", "登录成功";
    KEEPS_FRESH:
        "mcp-proxy is signed in and keeps the login fresh by itself.",
        "mcp-proxy 已登录，之后会自动续期令牌。";
    CLOSE: "You can close this page.", "现在可以关闭此页面。";

    NOT_EXPECTED: "No login is waiting", "没有正在等待的登录";
    NOTHING_CHANGED:
        "mcp-proxy did not expect this answer here, and nothing was changed.",
        "mcp-proxy 没有在等待这个回调，未做任何更改。";
    PASTE_ADDRESS:
        "If a terminal asks for the authorization code, copy the whole address of this page and paste it there.",
        "如果终端正在要求输入授权码，请复制此页面的完整地址并粘贴到终端中。";
    BEGIN_AGAIN: "Otherwise begin again with: mcp-proxy login", "否则请重新登录：mcp-proxy login";

    NOT_SIGNED_IN: "Not signed in", "登录未完成";
    PERMISSION_REFUSED:
        "The permission was refused, so mcp-proxy is not signed in.",
        "授权被拒绝，mcp-proxy 没有登录。";
    PAGE_ANSWERED:
        "The sign-in page answered {error}, so mcp-proxy is not signed in.",
        "登录页面返回了错误 {error}，mcp-proxy 没有登录。";
    IT_SAYS: "It says: {text}", "原文：{text}";
    WENT_WRONG: "The sign-in was not completed. The reason:", "登录未能完成，原因如下：";
    TRY_AGAIN: "To try again, run: mcp-proxy login", "如需重试，请运行：mcp-proxy login";
}
