"""The vendor's own Python SDK against the stand-in for the cloud, at the cloud's real names.

    alibaba_sdk.py --sandbox FILE [--case NAME]

FILE describes the stand-in (JSON); it holds secrets, so they stand on no command line. The names of the cloud lead to the
stand-in by a resolver of this process alone; every other name and address leads nowhere. The SDK trusts the stand-in's CA
by SSL_CERT_FILE, which is its caller's to set. Each provider of credentials is asked twice: plainly, and from asyncio.
"""

import argparse
import asyncio
import errno
import json
import os
import pathlib
import socket
import tempfile
import urllib.request

from reporting import expect, finish, run_cases, same

CLOUD = (".aliyuncs.com", ".aliyun.com", ".alibabacloud.com", ".alibabacloudcs.com", ".alibabacloudsso.com")
METADATA = "100.100.100.200"
ROLE = "mcp-role"
SESSION = "official-sdk"


def parse():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--sandbox", required=True, metavar="FILE", type=pathlib.Path)
    parser.add_argument("--case", action="append", metavar="NAME", help="only this case; may be repeated")
    parser.add_argument("--timeout", type=float, default=60, metavar="SECONDS", help="for each case, default 60")
    return parser, parser.parse_args()


def lead_to(sandbox):
    """Leads the cloud's names, and the address of its metadata service, to the stand-in."""
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host, port, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        if name.endswith(CLOUD):
            host, port = "127.0.0.1", sandbox["tls_port"]
        elif name not in (METADATA, "127.0.0.1", "localhost"):
            raise socket.gaierror(socket.EAI_NONAME, f"{name} is not for this test")
        return resolve(host, port, *args, **kwargs)

    def connect_here(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            if address[0] == METADATA:
                address = ("127.0.0.1", sandbox["metadata_port"])
            elif address[0] not in ("127.0.0.1", "::1"):
                raise OSError(errno.ENETUNREACH, f"{address[0]} is not for this test")
        return connect(self, address)

    socket.getaddrinfo, socket.socket.connect = getaddrinfo, connect_here


def profiles(sandbox, directory):
    """The aliyun CLI's profiles, one for each mode that the SDK has."""
    (key, secret), (sts_key, sts_secret, sts_token) = sandbox["key"], sandbox["temporary"]
    arn = f"acs:ram::{sandbox['account']}:role/{ROLE}"
    role = {"ram_role_arn": arn, "ram_session_name": SESSION, "expired_seconds": 900, "sts_region": "cn-hangzhou"}
    command = directory / "keys.json"
    command.write_text(json.dumps({"mode": "AK", "access_key_id": key, "access_key_secret": secret}))
    ak = {"access_key_id": key, "access_key_secret": secret}
    return {
        "AK": ak,
        "StsToken": {"access_key_id": sts_key, "access_key_secret": sts_secret, "sts_token": sts_token},
        "RamRoleArn": {**ak, **role, "external_id": "ext-1"},
        "ChainableRamRoleArn": {"source_profile": "StsToken", **role},
        "EcsRamRole": {"ram_role_name": "sandbox-role"},
        "OIDC": {
            "oidc_provider_arn": sandbox["oidc_provider"],
            "oidc_token_file": sandbox["oidc_token_file"],
            "role_session_name": SESSION,
            **role,
        },
        "CloudSSO": {
            "cloud_sso_sign_in_url": "https://signin-cn-shanghai.alibabacloudsso.com/start/login",
            "cloud_sso_account_id": sandbox["account"],
            "cloud_sso_access_config": sandbox["cloud_sso_configuration"],
            "access_token": sandbox["cloud_sso_token"],
            "cloud_sso_access_token_expire": 1 << 33,
        },
        "OAuth": {
            "oauth_site_type": "CN",
            "oauth_access_token": sandbox["cli_token"],
            "oauth_refresh_token": "",
            "oauth_access_token_expire": 1 << 33,
        },
        "External": {"process_command": f"/bin/cat {command}"},
    }


class Sdk:
    """The SDK, and what the cases share. Imported late: it reads its environment at import."""

    def __init__(self, sandbox):
        from alibabacloud_credentials import provider
        from alibabacloud_credentials.client import Client as Credentials
        from alibabacloud_ims20190815 import client as ims_client, models as ims
        from alibabacloud_openapiexplorer20241130 import client as mcp_client, models as mcp
        from alibabacloud_sts20150401 import client as sts_client, models as sts
        from alibabacloud_tea_openapi import client as open_client, utils_models
        from alibabacloud_tea_util.models import RuntimeOptions

        self.sandbox, self.provider, self.credentials = sandbox, provider, Credentials
        self.ims, self.mcp, self.sts, self.models, self.runtime = ims, mcp, sts, utils_models, RuntimeOptions
        self.clients = {"ims": ims_client.Client, "mcp": mcp_client.Client, "sts": sts_client.Client}
        self.generic = open_client.Client
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=os.environ.get("HOME")))

    def static(self):
        key, secret = self.sandbox["key"]
        return self.provider.StaticAKCredentialsProvider(access_key_id=key, access_key_secret=secret)

    def client(self, product, endpoint, provider=None, **more):
        credential = self.credentials(provider=provider or self.static())
        config = self.models.Config(credential=credential, endpoint=endpoint, region_id="cn-hangzhou", **more)
        return self.clients.get(product, self.generic)(config)

    def call(self, endpoint, action, version, query=None, body=None, path="/", auth="AK", method="POST", **more):
        """Any action, by the client that all the others rest on."""
        style = "RPC" if path == "/" else "ROA"
        params = self.models.Params(
            action=action, version=version, protocol="HTTPS", pathname=path, method=method, auth_type=auth,
            style=style, req_body_type="json", body_type="json",
        )
        request = self.models.OpenApiRequest(query=query, body=body)
        return self.client("any", endpoint, **more).call_api(params, request, self.runtime())["body"]

    def admin(self, path, body):
        request = urllib.request.Request(
            f"{self.sandbox['page_url']}/admin/{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.load(answer)


async def identify(sdk, make, arn):
    """Both ways to get a key from a provider, and what the cloud says whose it is."""
    account = sdk.sandbox["account"]
    for is_async in (False, True):
        client = sdk.client("sts", "sts.aliyuncs.com", make())
        who = (await client.get_caller_identity_async() if is_async else client.get_caller_identity()).body
        same(who.account_id, account, "account")
        same(who.arn, f"acs:ram::{account}:{arn}", "ARN")
    return arn


def providers(sdk):
    """A case for each provider of credentials: how it is made, and who it is then."""
    sandbox, own = sdk.sandbox, sdk.provider
    (key, secret), (sts_key, sts_secret, sts_token) = sandbox["key"], sandbox["temporary"]
    role_arn = f"acs:ram::{sandbox['account']}:role/{ROLE}"
    machine, assumed = "assumed-role/sandbox-role/mcp-proxy", f"assumed-role/{ROLE}/{SESSION}"
    sts = own.StaticSTSCredentialsProvider(
        access_key_id=sts_key, access_key_secret=sts_secret, security_token=sts_token
    )
    role = {"role_arn": role_arn, "role_session_name": SESSION, "duration_seconds": 900}
    oidc = {"oidc_provider_arn": sandbox["oidc_provider"], "oidc_token_file_path": sandbox["oidc_token_file"]}
    made = {
        "ak": (sdk.static, "user/alice"),
        "sts": (lambda: sts, machine),
        "default_chain": (own.DefaultCredentialsProvider, "user/alice"),
        "ram_role_arn": (lambda: own.RamRoleArnCredentialsProvider(credentials_provider=sdk.static(), **role), assumed),
        "ram_role_arn_of_sts_in_vpc": (
            lambda: own.RamRoleArnCredentialsProvider(
                credentials_provider=sts, sts_region_id="cn-hangzhou", enable_vpc=True, **role
            ),
            assumed,
        ),
        "oidc_role_arn": (lambda: own.OIDCRoleArnCredentialsProvider(**role, **oidc), assumed),
        "ecs_ram_role": (lambda: own.EcsRamRoleCredentialsProvider(disable_imds_v1=True), machine),
        "credentials_uri": (lambda: own.URLCredentialsProvider(uri=sandbox["credentials_uri"]), machine),
    }
    file = sdk.directory / "config.json"
    listed = [{"name": mode, "mode": mode, **more} for mode, more in profiles(sandbox, sdk.directory).items()]
    file.write_text(json.dumps({"current": "AK", "profiles": listed}))
    file.chmod(0o600)
    whose = {"AK": "user/alice", "StsToken": machine, "EcsRamRole": machine, "External": "user/alice"}
    whose |= {"CloudSSO": "assumed-role/aliyunreserved-sso/alice", "OAuth": "assumed-role/aliyun-cli/alice"}
    for profile in listed:
        name = profile["name"]
        make = lambda name=name: own.CLIProfileCredentialsProvider(profile_name=name, profile_file=str(file))
        made[f"profile_{name}"] = (make, whose.get(name, assumed))

    def case(make, arn):
        return lambda sdk: identify(sdk, make, arn)

    return {name: case(*how) for name, how in made.items()}


async def applications(sdk):
    """An OAuth application from its creation to its end."""
    ims, client = sdk.ims, sdk.client("ims", "ims.aliyuncs.com")
    created = await client.create_application_async(ims.CreateApplicationRequest(
        app_name="official-sdk", display_name="Official SDK", app_type="NativeApp", is_multi_tenant=False,
        predefined_scopes="/acs/mcp-server", redirect_uris="http://127.0.0.1:8088/callback", protocol_version="2.1",
        access_token_validity=10800, refresh_token_validity=31536000,
    ))
    app = created.body.application
    same((app.app_type, app.is_multi_tenant, app.access_token_validity), ("NativeApp", False, 10800), "application")
    listed = client.list_applications().body.applications.application
    expect(any(own.app_id == app.app_id for own in listed), "not listed")
    read = client.get_application(ims.GetApplicationRequest(app_id=app.app_id)).body.application
    same(read.redirect_uris.redirect_uri, ["http://127.0.0.1:8088/callback"], "redirect URIs")
    uris = "http://127.0.0.1:1/a;http://127.0.0.1:2/b"
    client.update_application(ims.UpdateApplicationRequest(app_id=app.app_id, new_redirect_uris=uris))
    read = client.get_application(ims.GetApplicationRequest(app_id=app.app_id)).body.application
    same(len(read.redirect_uris.redirect_uri), 2, "redirect URIs after the change")
    same(refused(lambda: client.create_application(ims.CreateApplicationRequest(
        app_name="official-sdk", display_name="Twice", app_type="NativeApp",
    ))), "EntityAlreadyExists.Application", "a name that is used")
    client.delete_application(ims.DeleteApplicationRequest(app_id=app.app_id))
    gone = refused(lambda: client.get_application(ims.GetApplicationRequest(app_id=app.app_id)))
    same(gone, "EntityNotExist.Application", "after its end")
    return app.app_name


async def servers(sdk):
    """All pages of the server list, on both sites, and the cores."""
    for site in ("cn-hangzhou", "ap-southeast-1"):
        host = f"openapi-mcp.{site}.aliyuncs.com"
        client, token, names = sdk.client("mcp", host), None, []
        for _ in range(10):
            request = sdk.mcp.ListApiMcpServersRequest(max_results=2, next_token=token)
            page = (await client.list_api_mcp_servers_async(request) if token else client.list_api_mcp_servers(request)).body
            names += [server.name for server in page.api_mcp_servers]
            token = page.next_token
            if not token:
                break
        same(names, sdk.sandbox["servers"], f"servers of {site}")
        cores = sdk.call(host, "ListApiMcpServerCores", "2024-11-30", path="/apimcpservercores", method="GET")
        same(len(cores["apiMcpServerCores"]), 1, "cores")
    return " ".join(names)


SCOPE = {"Scope": "/internal/acs/openapi"}
CN, INTL = ("ramoauth.aliyuncs.com", "4071151845732613353"), ("ramoauth.alibabacloudcs.com", "4195410055503316452")


def token(sdk, host, client_id, **more):
    query = {"ClientId": client_id, **SCOPE, **more.pop("query", {})}
    return sdk.call(host, "GenerateAccessToken", "2026-04-21", query=query, **more)


async def tokens(sdk):
    """A token of each site, restricted before it is used; signed as the vendor's own proxy signs it."""
    boundary = {"Version": "1", "Statement": [{"Effect": "Deny", "Action": "ram:*", "Resource": "*"}]}
    for host, client_id in (CN, INTL):
        made = token(sdk, host, client_id, query={"Policy": json.dumps(boundary)}, signature_algorithm="v2")["Data"]
        same((made["TokenType"], made["ExpiresIn"], made["Scope"]), ("Bearer", "259199", SCOPE["Scope"]), "token")
        policy = {"bearerToken": made["AccessToken"], "safePolicy": "*=deny"}
        sdk.call(
            "openapi-mcp.cn-hangzhou.aliyuncs.com", "UpdateBearerTokenSafetyPolicy", "2024-11-30", body=policy,
            path="/safePolicy/set", auth="Anonymous", signature_algorithm="v2",
        )
    return "CN INTL"


async def role_by_sdk(sdk):
    """AssumeRole by the client of STS: V3, where the credentials use RPC."""
    arn = f"acs:ram::{sdk.sandbox['account']}:role/{ROLE}"
    request = sdk.sts.AssumeRoleRequest(role_arn=arn, role_session_name=SESSION, duration_seconds=900)
    keys = sdk.client("sts", "sts.cn-hangzhou.aliyuncs.com").assume_role(request).body.credentials
    expect(keys.access_key_id.startswith("STS."), "no temporary key")
    return keys.access_key_id[:4]


def refused(call):
    """The code of the refusal."""
    try:
        call()
    except Exception as error:
        return getattr(error, "code", None) or str(error)
    return "nothing was refused"


async def refusals(sdk):
    """What the cloud refuses to us, it refuses to the SDK."""
    key, _ = sdk.sandbox["key"]
    wrong = sdk.provider.StaticAKCredentialsProvider(access_key_id=key, access_key_secret="wrong")
    nobody = sdk.provider.StaticAKCredentialsProvider(access_key_id="LTAInobody", access_key_secret="wrong")
    who = lambda provider=None: sdk.client("sts", "sts.aliyuncs.com", provider).get_caller_identity()
    same(refused(lambda: who(wrong)), "SignatureDoesNotMatch", "a wrong secret")
    same(refused(lambda: who(nobody)), "InvalidAccessKeyId.NotFound", "an unknown key")
    same(refused(lambda: token(sdk, *CN)), "IncompleteSignature", "V3 at RamOAuth")
    same(refused(lambda: token(sdk, "ims.aliyuncs.com", CN[1])), "InvalidAction.NotFound", "another host")
    sdk.admin("fail/api", {"fault": {"kind": "throttled", "retry_after_ms": 1}, "action": "GetCallerIdentity", "times": 1})
    same(refused(who), "Throttling.User", "too many calls")
    sdk.admin("clock", {"offset": 3600})
    try:
        same(refused(who), "InvalidTimeStamp.Expired", "another time")
    finally:
        sdk.admin("clock", {"offset": 0})
    return who().body.arn


async def exchange_in_camel_case(sdk):
    """Most of the vendor's SDKs want camel case from the exchange; this one fails on it, as it does in the field."""
    sdk.admin("settings", {"exchange_upper_case": False})
    try:
        oauth = sdk.provider.OAuthCredentialsProvider(
            client_id="4038181954557748008", sign_in_url="https://oauth.alibabacloud.com",
            access_token=sdk.sandbox["cli_token"], access_token_expire=1 << 33,
        )
        said = refused(oauth.get_credentials)
        expect("error retrieving credentials from OAuth" in said and "accessKeyId" in said, "it did not fail")
        return "fails"
    finally:
        sdk.admin("settings", {"exchange_upper_case": True})


def main():
    parser, options = parse()
    sandbox = json.loads(options.sandbox.read_text())
    key, secret = sandbox["key"]
    os.environ |= {"ALIBABA_CLOUD_ACCESS_KEY_ID": key, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret}
    lead_to(sandbox)
    sdk = Sdk(sandbox)
    sdk.admin("settings", {"exchange_upper_case": True})
    own = [role_by_sdk, applications, servers, tokens, refusals, exchange_in_camel_case]
    cases = {**providers(sdk), **{case.__name__: case for case in own}}
    for name in options.case or []:
        if name not in cases:
            parser.error(f"no case {name}; there are {' '.join(cases)}")
    cases = {name: cases[name] for name in options.case or cases}
    finish(asyncio.run(run_cases(cases, sdk, options.timeout, True)))


if __name__ == "__main__":
    main()
