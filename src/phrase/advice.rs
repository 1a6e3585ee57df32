//! What is left for a person to do after an incident: the five steps of the vendor's manual.

phrases! {
    HEAD: "What to do now:", "接下来要做的事：";
    STEP_1: "  1. Stop forwarding: done.", "  1. 停止转发：已完成。";
    STEP_2: "  2. Remove the saved login: {done}.", "  2. 删除已保存的登录：{done}。";
    STEP_3: "  3. Revoke the authorization: {done}.", "  3. 撤销授权：{done}。";
    NONE: "there is none", "没有登录";
    DONE: "done", "已完成";
    NOT_DONE: "NOT done, see above", "未完成（NOT done），详见上文";
    SEE: "     See for yourself: {console}, OAuth applications, {application}: nobody's authorization should be left.",
        "     请自行核实：{console} 的“OAuth 应用”中，应用 {application} 不应再有任何人的授权。";
    MAY_BE_GOOD:
        "     An access token that was issued before may be good until it ends, some hours at most.",
        "     此前签发的访问令牌在到期之前可能仍然有效，最长数小时。";
    OTHERS:
        "     NOT done for {others}: its token comes from a file, a command or API credentials. Revoke it where it comes\n     \
         from, and change those credentials: a token that was made of them may be good for days.",
        "     未完成（NOT done）：{others} 的令牌来自文件、命令或 API 凭证。请在其来源处撤销令牌，\n     \
         并更换相应的凭证：用它们换取的令牌可能在数天内仍然有效。";
    STEP_4:
        "  4. Look for what was done, in the ActionTrail console, since {since} and some time before, all regions:\n     \
         - events of the user who had signed in, from addresses that are not this machine's;\n     \
         - events of RAM: CreateUser, CreateAccessKey, CreateLoginProfile, AttachPolicyToUser, AttachPolicyToRole,\n       \
         UpdateRole, BindMFADevice: whoever comes back later made something there.\n     \
         In RAM: users, AccessKeys and policies that nobody knows; whether that user may do more than it needs.",
        "  4. 在操作审计（ActionTrail）控制台中查看所有地域自 {since} 以及之前一段时间内的操作：\n     \
         - 该登录用户从本机以外的地址发起的事件；\n     \
         - RAM 的事件：CreateUser、CreateAccessKey、CreateLoginProfile、AttachPolicyToUser、AttachPolicyToRole、\n       \
         UpdateRole、BindMFADevice：攻击者常借此留下后门。\n     \
         在 RAM 中检查：是否有来历不明的用户、AccessKey 和权限策略，该用户的权限是否超出所需。";
    API_CREDENTIALS:
        "     API credentials that are on this machine (AccessKeys, profiles of the aliyun CLI) were not touched: if \
         others\n     could read them, disable them in RAM and make new ones.",
        "     本机上的 API 凭证（AccessKey、aliyun CLI 的配置）没有改动：如果可能已被他人读取，\n     \
         请在 RAM 中禁用并重新创建。";
    STEP_5:
        "  5. Once the cause is found and mended: mcp-proxy resume, then mcp-proxy login.",
        "  5. 查明并消除原因之后：先运行 mcp-proxy resume，再运行 mcp-proxy login。";
}
