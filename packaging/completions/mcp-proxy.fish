# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mcp_proxy_global_optspecs
    string join \n config= host= port= no-browser oauth-app-name= region-type= upstream-url= scope= allowed-servers= blocked-servers= profile= h/help V/version
end

function __fish_mcp_proxy_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mcp_proxy_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mcp_proxy_using_subcommand
    set -l cmd (__fish_mcp_proxy_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -s V -l version -d 'Print version'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "serve" -d 'Serve until stopped; this is what happens without a command'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "login" -d 'Sign in, then end. Beside a running daemon, it is the daemon that signs in'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "logout" -d 'Sign out: remove the saved logins'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "import" -d 'Take over the login of `aliyun mcp-proxy`; its file is not changed'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "status" -d 'Say who is signed in, until when, who calls, and what is wrong'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "servers" -d 'List the MCP servers: name, id, local addresses, and whether the server lists let requests pass'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "stdio" -d 'Connect a client that speaks over standard input and output only to an MCP server of the running daemon'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "client-config" -d 'Print what an application needs to use the MCP servers, or put it into the application\'s own file'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "ui" -d 'Open a page in the browser: who is signed in, who uses it, what is wrong and what to do, live'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "client" -d 'Make, list and remove keys for clients: how a client is known that has no user or address of its own'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "incident" -d 'Stop all forwarding, end every login at the server, and show who did what'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "resume" -d 'End an incident: forward requests again'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "key" -d 'Make and change the key that saved logins are encrypted with'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "check-config" -d 'Check the configuration and say where each value comes from'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "doctor" -d 'Look for what is wrong between clients and the cloud, and say how to mend each'
complete -c mcp-proxy -n "__fish_mcp_proxy_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand serve" -s h -l help -d 'Print help'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l no-qr -d 'Show no QR code of the URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l revoke -d 'Revoke the grant at the server first; if that does not work, the login is kept'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand logout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l upstream -d 'For this upstream; needed only when there are several' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l force -d 'Take it over even if the login saved here is newer, or cannot be read'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l json -d 'As JSON, for programs; docs/STATUS.md describes it'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l watch -d 'Show it anew every second, until q or Ctrl+C'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l json -d 'As JSON, for programs; docs/CONTROL.md describes it'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand servers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l server -d 'The server: name, id, or path [default: the only one that there is]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l upstream -d 'Among the servers of this upstream alone' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand stdio" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l server -d 'Only this server: name, id, or path [default: all that can be used]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l upstream -d 'Only the servers of this upstream' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l key-for -d 'Make a key for this `[[client]]` of the configuration, and put it in' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l file -d 'This file, not the usual one' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l write -d 'Change the application\'s file instead'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l project -d 'The file of the project in the current directory, not that of the person'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l dry-run -d 'Show what --write would change, and change nothing; no key is made'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client-config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l port -d 'Serve the page on this port [default: any that is free]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l idle -d 'End when nobody has used the page for so long; 0 is never' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand ui" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -s h -l help -d 'Print help'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -f -a "add" -d 'Make a key for a client, and print it: this once, for only its digest is kept'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -f -a "list" -d 'List the clients of the configuration, and of each key its fingerprint, when it was made, and when it was last used'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -f -a "remove" -d 'Remove the keys of a client, or one of them. They are good for nothing from then on'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and not __fish_seen_subcommand_from add list remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l json -d 'As JSON, for programs; docs/CLIENT_RULES.md describes it'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l key -d 'Only the key with this fingerprint, as `mcp-proxy client list` says it' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from help" -f -a "add" -d 'Make a key for a client, and print it: this once, for only its digest is kept'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the clients of the configuration, and of each key its fingerprint, when it was made, and when it was last used'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove the keys of a client, or one of them. They are good for nothing from then on'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand client; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l since -d 'Show the audit trail since then: how long ago (2h), or a date and time in UTC (2026-07-01 12:30)' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l rotate-keys -d 'Replace the keys of all clients: none of them works any more'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand incident" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -s h -l help -d 'Print help'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -f -a "generate" -d 'Make a new key in a new file that only its owner can read'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -f -a "rotate" -d 'Encrypt the saved logins with another key'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and not __fish_seen_subcommand_from generate rotate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from generate" -s h -l help -d 'Print help'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l new-key -d 'The file with the new key, as `mcp-proxy key generate` made it' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l old-key -d 'The file with the key that the logins are encrypted with now [default: the configured key]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "generate" -d 'Make a new key in a new file that only its owner can read'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Encrypt the saved logins with another key'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l config -d 'Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present]' -r -F
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l host -d 'Listen on this address [default: 127.0.0.1]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l port -d 'Listen on this port [default: 8088]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l oauth-app-name -d 'Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l region-type -d 'The Alibaba Cloud site: CN or INTL [default: CN]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l upstream-url -d 'Forward to this upstream instead of the region\'s; https:// is assumed' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l scope -d 'The OAuth scope to ask for [default: /acs/mcp-server]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l allowed-servers -d 'Forward to these MCP servers only: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l blocked-servers -d 'Never forward to these MCP servers: names, ids or path prefixes, separated by commas' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l profile -d 'Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks]' -r
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l json -d 'As JSON, for programs; docs/DOCTOR.md describes it'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -l no-browser -d 'Never open a browser: show the URL, and accept a pasted code or URL'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "serve" -d 'Serve until stopped; this is what happens without a command'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "login" -d 'Sign in, then end. Beside a running daemon, it is the daemon that signs in'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "logout" -d 'Sign out: remove the saved logins'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "import" -d 'Take over the login of `aliyun mcp-proxy`; its file is not changed'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "status" -d 'Say who is signed in, until when, who calls, and what is wrong'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "servers" -d 'List the MCP servers: name, id, local addresses, and whether the server lists let requests pass'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "stdio" -d 'Connect a client that speaks over standard input and output only to an MCP server of the running daemon'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "client-config" -d 'Print what an application needs to use the MCP servers, or put it into the application\'s own file'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "ui" -d 'Open a page in the browser: who is signed in, who uses it, what is wrong and what to do, live'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "client" -d 'Make, list and remove keys for clients: how a client is known that has no user or address of its own'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "incident" -d 'Stop all forwarding, end every login at the server, and show who did what'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "resume" -d 'End an incident: forward requests again'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "key" -d 'Make and change the key that saved logins are encrypted with'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "check-config" -d 'Check the configuration and say where each value comes from'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "doctor" -d 'Look for what is wrong between clients and the cloud, and say how to mend each'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and not __fish_seen_subcommand_from serve login logout import status servers stdio client-config ui client incident resume key check-config doctor help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and __fish_seen_subcommand_from client" -f -a "add" -d 'Make a key for a client, and print it: this once, for only its digest is kept'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and __fish_seen_subcommand_from client" -f -a "list" -d 'List the clients of the configuration, and of each key its fingerprint, when it was made, and when it was last used'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and __fish_seen_subcommand_from client" -f -a "remove" -d 'Remove the keys of a client, or one of them. They are good for nothing from then on'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "generate" -d 'Make a new key in a new file that only its owner can read'
complete -c mcp-proxy -n "__fish_mcp_proxy_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "rotate" -d 'Encrypt the saved logins with another key'
