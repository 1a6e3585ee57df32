//! What `mcp-proxy doctor` says. Texts of lower layers that are filled in are English, as errors are.

phrases! {
    // Verdicts, each of one word.
    OK: "ok", "正常";
    NOTE: "note", "提示";
    FAULT: "fault", "故障";
    NOT_LOOKED: "unseen", "未查";

    // Around the findings.
    DO: "do:", "执行：";
    OR: "or:", "或者：";
    WRITE: "write to {file}:", "写入 {file}：";
    THEN: "then:", "然后：";
    SUMMARY: "Checks: {checks}. Faults: {faults}, notes: {notes}, not looked at: {unseen}.", "共 {checks} 项检查：{faults} 个故障，{notes} 个提示，{unseen} 项未检查。";
    ALL_WELL: "Nothing is wrong.", "一切正常。";
    FIRST: "Mend what stands first; what follows may depend on it.", "请先处理排在最前面的问题，后面的问题可能由它引起。";

    // Families.
    CONFIGURATION: "Configuration", "配置";
    SERVICE: "Service", "服务";
    DAEMON: "Daemon", "守护进程";
    PORT: "Port", "端口";
    NETWORK: "Network", "网络";
    CLOUD: "Cloud account", "云账号";
    LOGIN: "Sign-in", "登录";
    FILES: "Files", "文件";
    MACHINE: "Machine", "本机";

    // Why something was not looked at.
    TOO_LONG: "it took longer than {limit}", "超过 {limit} 仍未完成";
    NOTHING_HERE: "there is nothing of the kind here", "此处没有需要检查的内容";
    NEEDS_CONFIGURATION: "the configuration cannot be read", "无法读取配置";
    NEEDS_DAEMON: "only a running daemon can tell", "只有运行中的守护进程才知道";
    NEEDS_CREDENTIALS: "there are no API credentials to ask with", "没有可用于查询的 API 凭证";
    NEEDS_ACCESS: "a daemon is running, and you may not ask it", "守护进程正在运行，但您无权查询它";
    NEEDS_ROOT: "that takes root", "需要 root 权限";
    NEEDS_CLOUD: "the cloud was not reached: {reason}", "无法访问云服务：{reason}";
    DAEMON_DOES_NOT_SAY: "the daemon did not say: {reason}", "守护进程没有回答：{reason}";

    // Configuration.
    CONFIGURATION_GOOD: "it is valid; read: {files}", "配置有效；已读取：{files}";
    CONFIGURATION_GOOD_WITHOUT_FILES: "it is valid; no file was read", "配置有效；没有读取任何文件";
    CONFIGURATION_WRONG: "{problem}", "配置有误：{problem}";
    IN_FORCE: "the daemon runs with the configuration as it is now", "守护进程使用的就是当前配置";
    WAITS_FOR_RELOAD: "changed, and not in force before a reload: {keys}", "已修改，重新加载后才生效：{keys}";
    WAITS_FOR_RESTART: "changed, and not in force before a restart: {keys}", "已修改，重启后才生效：{keys}";
    DAEMON_COULD_NOT_RELOAD: "the daemon could not take the configuration as it is now: {problem}", "守护进程无法采用当前配置：{problem}";

    // Units.
    NO_SYSTEMD: "systemd does not answer here: {reason}", "此处的 systemd 没有响应：{reason}";
    NOT_A_SERVICE: "mcp-proxy.service is not installed here; a daemon is started by hand", "此处未安装 mcp-proxy.service，守护进程需手动启动";
    UNIT_ACTIVE: "mcp-proxy.service is {state}, and {enabled} for the next boot", "mcp-proxy.service 状态为 {state}，开机启动：{enabled}";
    UNIT_READY: "mcp-proxy.socket waits for the first connection", "mcp-proxy.socket 正在等待第一个连接";
    UNIT_MASKED: "{unit} is masked: it cannot be started", "{unit} 已被屏蔽，无法启动";
    UNIT_FAILED: "{unit} has failed ({result})", "{unit} 启动失败（{result}）";
    UNIT_LOOPS: "{unit} is started again and again ({restarts} times): it ends each time", "{unit} 反复重启（{restarts} 次），每次都会退出";
    UNIT_INACTIVE: "neither mcp-proxy.service nor mcp-proxy.socket is started", "mcp-proxy.service 和 mcp-proxy.socket 都没有启动";
    UNIT_NOT_AT_BOOT: "mcp-proxy.service runs, but is not started at the next boot", "mcp-proxy.service 正在运行，但下次开机不会自动启动";
    UNIT_OTHER_DAEMON: "mcp-proxy.service is not started; the daemon that runs was started by hand", "mcp-proxy.service 没有启动；正在运行的守护进程是手动启动的";
    UNIT_OUTDATED: "the files of {unit} have changed since systemd read them", "{unit} 的文件在 systemd 读取之后已被修改";
    UNIT_AS_PACKAGED: "the unit is as it was installed", "单元文件与安装时一致";
    UNIT_CHANGED: "changed by {files}", "被以下文件修改：{files}";
    UNIT_REPLACED: "{file} takes the place of the unit of the package: upgrades do not reach it", "{file} 取代了软件包自带的单元文件，升级对它不起作用";
    SOCKETS_ACTIVE: "started: {units}", "已启动：{units}";
    SOCKET_INACTIVE: "{unit} is {state}, so {lack}", "{unit} 状态为 {state}，因此{lack}";
    LACK_CONTROL: "commands cannot ask the daemon", "命令无法向守护进程查询";
    LACK_DIAG: "the daemon cannot find out who calls", "守护进程无法得知调用者是谁";
    LACK_PORT: "a restart refuses connections", "重启期间会拒绝连接";
    JOURNAL_REACHED: "the journal takes lines at {path}", "日志服务可在 {path} 接收日志";
    JOURNAL_NOT_REACHED: "the journal takes no lines at {path}: {reason}", "日志服务无法在 {path} 接收日志：{reason}";
    JOURNAL_NOT_USED: "the daemon does not run under systemd, and logs to standard error", "守护进程不在 systemd 下运行，日志写到标准错误输出";

    // Daemon.
    DAEMON_RUNS: "mcp-proxy {program} (process {pid}) has been running for {uptime}", "mcp-proxy {program}（进程 {pid}）已运行 {uptime}";
    NO_DAEMON: "none is running: what follows was looked at by this command", "没有正在运行的守护进程：以下内容由本命令自行检查";
    DAEMON_SILENT: "{error}", "守护进程没有响应：{error}";
    CONTROL_REACHED: "the daemon answers at {path}", "守护进程在 {path} 响应";
    CONTROL_DENIED: "a daemon is running, but user {uid} may not open {path}", "守护进程正在运行，但用户 {uid} 无权打开 {path}";
    CONTROL_OFF: "control.socket is off: commands work on the files alone", "control.socket 已关闭：命令只能直接操作文件";
    CONTROL_NONE: "nobody listens at {paths}", "{paths} 无人监听";
    CONTROL_NO_SOCKET: "{path} is no socket, so a daemon cannot listen there", "{path} 不是套接字，守护进程无法在此监听";
    CONTROL_MISSING: "a mcp-proxy listens on {address}, but has no control socket at {paths}", "有一个 mcp-proxy 正在监听 {address}，但在 {paths} 没有控制套接字";
    VERSION_SAME: "daemon and command are both {version}", "守护进程与命令的版本都是 {version}";
    VERSION_DIFFERS: "the daemon is {theirs}, this command is {own}", "守护进程版本为 {theirs}，本命令版本为 {own}";
    VERSION_REPLACED: "the program was replaced since the daemon was started: it still runs the old one", "守护进程启动之后程序文件已被替换，它仍在运行旧程序";
    VERSION_OLDER: "the daemon is older than this command, and does not know what it was asked", "守护进程比本命令旧，不支持这项查询";
    NO_CONDITIONS: "the daemon reports no conditions", "守护进程没有报告任何异常状况";
    CONDITION: "{name}: {reason}", "状况 {name}：{reason}";

    // Port.
    PORT_OURS: "mcp-proxy listens on {addresses}", "mcp-proxy 正在监听 {addresses}";
    PORT_FREE: "{address} is free", "{address} 空闲可用";
    PORT_ANY: "listen.port is 0: any free port is taken at each start", "listen.port 为 0：每次启动使用任意空闲端口";
    PORT_TAKEN: "{address} is in use by {holder}, so mcp-proxy cannot listen there", "{address} 已被 {holder} 占用，mcp-proxy 无法监听";
    SOMEBODY: "a process that you may not see", "一个您无权查看的进程";
    NO_ADDRESS: "this machine does not have the address {address}", "本机没有地址 {address}";
    LETS_YOU_IN: "user {uid} may use {address}", "用户 {uid} 可以使用 {address}";
    LETS_YOU_NOT_IN: "user {uid} may not use {address}: only those whom access.others and [[client]] name may", "用户 {uid} 不能使用 {address}：仅限 access.others 和 [[client]] 指定的调用者";
    DOOR_UNKNOWN: "what listens on {address} does not say whether you are let in: {reason}", "无法得知 {address} 是否允许您访问：{reason}";
    NOBODY_LISTENS: "nobody listens", "无人监听";
    NO_BRIDGE: "there is no bridge for containers here", "此处没有容器网桥";
    BRIDGE_COVERED: "containers on {bridges} can reach {addresses}", "{bridges} 上的容器可以访问 {addresses}";
    BRIDGE_NOT_COVERED: "mcp-proxy listens on {addresses} alone: no container on {bridge} ({address}) can reach that", "mcp-proxy 只监听 {addresses}：{bridge}（{address}）上的容器无法访问";
    NO_CONTAINERS: "no container runs whose way out is a bridge where mcp-proxy listens", "没有容器经由 mcp-proxy 监听的网桥联网";
    CONTAINER_REACHES: "a container (process {pid}) reaches {address} and is let in", "容器（进程 {pid}）可以访问 {address} 并被允许使用";
    CONTAINER_BLOCKED: "a container (process {pid}) does not reach {address}: {reason}", "容器（进程 {pid}）无法访问 {address}：{reason}";
    CONTAINER_REFUSED: "a container (process {pid}) reaches {address}, but may not use it (access.containers)", "容器（进程 {pid}）可以访问 {address}，但不被允许使用（access.containers）";

    // Network.
    NO_PROXY: "no proxy is on the way", "未经过代理";
    PROXIES_REACHED: "on the way, and reached: {proxies}", "经过代理，且可以访问：{proxies}";
    PROXY_DEAD: "{host} would be reached through the proxy {proxy}, which cannot be reached: {reason}", "访问 {host} 要经过代理 {proxy}，但无法连接该代理：{reason}";
    PROXY_ILLEGAL: "{name}={value} names no proxy that can be used", "{name}={value} 不是可用的代理";
    PROXY_ONLY_HERE: "your environment has the proxy {proxy}, that of the daemon has none, and {host} is not reached", "您的环境中有代理 {proxy}，守护进程的环境中没有，而 {host} 无法访问";
    NAMES_FOUND: "found: {hosts}", "解析成功：{hosts}";
    NAMES_NOT_ASKED: "no name has to be looked up here", "此处无需解析域名";
    NAME_NOT_FOUND: "the name {host} leads to no address: {reason}", "域名 {host} 无法解析：{reason}";
    REACHED: "{host} answers in {time}", "{host} 在 {time} 内响应";
    NOT_REACHED: "{origin} gives no answer: {reason}", "{origin} 没有响应：{reason}";
    CERTIFICATES_GOOD: "trusted: {hosts}", "证书可信：{hosts}";
    CERTIFICATES_NOT_ASKED: "nothing was reached by TLS", "没有通过 TLS 访问任何服务";
    CERTIFICATE_WRONG: "the certificate of {origin} is not trusted: {reason}", "{origin} 的证书不受信任：{reason}";
    NO_AUTHORITIES: "{error}", "没有可用的受信任证书颁发机构：{error}";
    CLOCK_GOOD: "the clock of this machine is right to {seconds} s", "本机时钟误差在 {seconds} 秒以内";
    CLOCK_UNKNOWN: "no service has said what time it is", "没有服务给出时间";
    CLOCK_WRONG: "the clock of this machine is {far} {direction} that of {host}", "本机时钟比 {host} 的时钟{direction} {far}";
    AHEAD: "ahead of", "快";
    BEHIND: "behind", "慢";

    // Cloud account.
    CREDENTIALS_FROM: "from {source}", "来自 {source}";
    CREDENTIALS_ABSENT: "{error}", "没有 API 凭证：{error}";
    CREDENTIALS_REFUSED: "{error}", "API 凭证被拒绝：{error}";
    PERMITTED: "what is needed is permitted", "所需权限齐全";
    NOT_PERMITTED: "{action} is not permitted: {error}", "没有 {action} 权限：{error}";
    APPLICATION_FITS: "{name} is there and fits", "{name} 已存在且符合要求";
    APPLICATION_TO_COME: "{name} does not exist yet; the first sign-in creates it", "{name} 尚不存在，首次登录时会自动创建";
    APPLICATION_WRONG: "{error}", "OAuth 应用不符合要求：{error}";
    REDIRECT_URI_KNOWN: "the application has the address at which sign-ins come back", "应用已登记登录回调地址";
    REDIRECT_URI_OPEN: "the port is another one at each start, so it is not known yet", "端口每次启动都不同，回调地址尚未确定";

    // Sign-in.
    SIGNED_IN: "signed in, account {account}", "已登录，账号 {account}";
    NO_ACCOUNT: "not known", "未知";
    LOGIN_WRONG: "{problem}", "登录状态有问题：{problem}";
    LOGIN_KEY: "the key for saved logins cannot be used", "无法使用加密登录信息的密钥";
    NO_LOGINS: "no upstream needs a person to sign in", "没有上游需要人工登录";
    TOKEN_GOOD: "the token is good for {left}", "令牌还有 {left} 有效";
    TOKEN_GOOD_FOR_EVER: "there is a token, whose end is not known", "已有令牌，有效期未知";
    TOKEN_RENEWED_AT_START: "the access token has ended; the next start renews it", "访问令牌已过期，下次启动时会续期";
    TOKEN_NONE: "there is no token that serves: {reason}", "没有可用的令牌：{reason}";
    CALL_GOOD: "{path} answers {status} in {time}", "{path} 在 {time} 内返回 {status}";
    CALL_REFUSED: "the upstream refuses the token (401)", "上游拒绝了令牌（401）";
    CALL_FORBIDDEN: "the upstream forbids the call (403): {says}", "上游禁止该调用（403）：{says}";
    CALL_FAILED: "the call failed: {says}", "调用失败：{says}";
    CALL_NO_PATH: "no MCP server is known to call", "没有已知的 MCP 服务器可供调用";
    CALL_NOT_LET_IN: "you may not use the port: {says}", "您不能使用该端口：{says}";

    // Files.
    FILES_PRIVATE: "nobody else can write to: {files}", "他人无法写入：{files}";
    FILES_READABLE_BY_OWNER: "nobody else can read: {files}", "他人无法读取：{files}";
    OTHERS_CAN_WRITE: "others can write to {path} (mode {mode}): they could replace what is in it", "他人可以写入 {path}（权限 {mode}），可能替换其中的内容";
    OTHERS_CAN_READ: "others can read {path} (mode {mode})", "他人可以读取 {path}（权限 {mode}）";
    OWNER_WRONG: "{path} belongs to user {uid}, who could replace what is in it", "{path} 属于用户 {uid}，该用户可以替换其中的内容";
    OWNER_NOT_DAEMON: "{path} belongs to user {uid}, so the daemon (user {daemon}) cannot use it", "{path} 属于用户 {uid}，守护进程（用户 {daemon}）无法使用";
    FILE_HIDDEN: "{path}: {reason}", "无法查看 {path}：{reason}";
    KEY_GOOD: "the key for saved logins can be used", "加密登录信息的密钥可用";
    KEY_NONE: "no key is given: logins are saved as plain text in private files", "未指定密钥：登录信息以明文保存在私有文件中";
    KEY_WRONG: "{error}", "密钥无法使用：{error}";

    // Machine.
    DISK_GOOD: "{free} MiB are free in {directory}", "{directory} 尚有 {free} MiB 可用";
    DISK_SHORT: "only {free} KiB are free in {directory}", "{directory} 仅剩 {free} KiB 可用";
    DISK_FULL: "{directory} is full: a renewed token could not be saved", "{directory} 已满：续期后的令牌无法保存";
    DISK_READ_ONLY: "{directory} is on a file system that is mounted for reading only", "{directory} 所在的文件系统以只读方式挂载";
    DISK_REFUSED: "user {uid} cannot write to {directory}: {reason}", "用户 {uid} 无法写入 {directory}：{reason}";
    OPEN_FILES_GOOD: "{limit} files may be open, enough for {connections} connections", "可同时打开 {limit} 个文件，足够 {connections} 个连接";
    OPEN_FILES_SHORT: "only {limit} files may be open, and limits.max_connections = {connections} can need {needed}", "只能同时打开 {limit} 个文件，而 limits.max_connections = {connections} 可能需要 {needed} 个";
    UNLIMITED: "any number of", "任意数量";
}
