//! What stands around the configuration of a client: where to put it, and what to know.

phrases! {
    DIFY: "In Dify, under Tools > MCP, choose Add MCP Server (HTTP) and enter, for each server:", "在 Dify 中打开“工具 > MCP”，选择“添加 MCP 服务 (HTTP)”，为每个服务器填写：";
    CLAUDE_CODE_COMMANDS: "Run for Claude Code (--scope user makes it known in all projects):", "为 Claude Code 运行以下命令（加 --scope user 则对所有项目生效）：";
    CLAUDE_CODE: "For Claude Code, in .mcp.json of a project, or among the mcpServers of ~/.claude.json:", "用于 Claude Code：写入项目的 .mcp.json，或 ~/.claude.json 的 mcpServers 中：";
    CLAUDE_DESKTOP: "For Claude Desktop, in {file} (Settings > Developer > Edit Config). Restart it afterwards:", "用于 Claude Desktop：写入 {file}（设置 > 开发者 > 编辑配置），然后重启它：";
    CURSOR: "For Cursor, in ~/.cursor/mcp.json, or in .cursor/mcp.json of a project:", "用于 Cursor：写入 ~/.cursor/mcp.json，或项目的 .cursor/mcp.json：";
    VSCODE: "For VS Code, in .vscode/mcp.json of a project, or in your profile (command MCP: Open User Configuration):", "用于 VS Code：写入项目的 .vscode/mcp.json，或用户配置（命令 MCP: Open User Configuration）：";
    CHERRY_STUDIO: "In Cherry Studio, under Settings > MCP, choose Add > Import from JSON, once for each server:", "在 Cherry Studio 中打开“设置 > MCP”，选择“添加 > 从 JSON 导入”，每个服务器一次：";
    LANGCHAIN: "For LangChain (pip install langchain-mcp-adapters):", "用于 LangChain（pip install langchain-mcp-adapters）：";
    OPENAI_AGENTS: "For the OpenAI Agents SDK (pip install openai-agents):", "用于 OpenAI Agents SDK（pip install openai-agents）：";
    INSPECTOR: "For the MCP Inspector, as a file mcp.json, then: npx @modelcontextprotocol/inspector --cli --config mcp.json --server {name} --method tools/list", "用于 MCP Inspector：保存为 mcp.json，然后运行：npx @modelcontextprotocol/inspector --cli --config mcp.json --server {name} --method tools/list";

    PLACEHOLDER: "This mcp-proxy takes clients by their keys only: put one in the place of {placeholder}, or have one made with --key-for CLIENT.", "此 mcp-proxy 只接受持有密钥的客户端：请把 {placeholder} 换成密钥，或用 --key-for CLIENT 新建一个。";
    KEY_MADE: "Made a key for the client {client}. It is shown this once.", "已为客户端 {client} 新建密钥。密钥只显示这一次。";
    NO_KEY_WRITTEN: "This mcp-proxy takes clients by their keys only, and no key was written. Have one made with --key-for CLIENT.", "此 mcp-proxy 只接受持有密钥的客户端，而这次没有写入密钥。可用 --key-for CLIENT 新建一个。";

    NOT_FOR_CONTAINERS: "mcp-proxy does not listen where containers reach it: it listens on {listens}. The address below works once it listens on Docker's bridge. With the package: systemctl edit mcp-proxy.socket, add", "mcp-proxy 没有监听容器可达的地址：它监听 {listens}。下面的地址要等它监听 Docker 网桥后才可用。若用软件包安装，运行 systemctl edit mcp-proxy.socket，加入";
    IN_FORCE: "then: systemctl stop mcp-proxy.service; systemctl restart mcp-proxy.socket; systemctl start mcp-proxy.service. In a terminal: mcp-proxy --host {host}", "然后运行：systemctl stop mcp-proxy.service; systemctl restart mcp-proxy.socket; systemctl start mcp-proxy.service。若在终端运行：mcp-proxy --host {host}";
    DOCKER_DESKTOP: "Where Docker resolves that name, http://host.docker.internal:{port} works in its place.", "若 Docker 能解析该名称，也可改用 http://host.docker.internal:{port}。";

    WROTE: "Wrote {file}. What was there before is in {backup}.", "已写入 {file}。原内容保存在 {backup}。";
    MADE: "Made {file}.", "已新建 {file}。";
    UNCHANGED: "{file} has it all already; nothing was changed.", "{file} 已包含全部内容，未作改动。";
    WOULD_WRITE: "This would be changed in {file}:", "将对 {file} 作如下改动：";
}
