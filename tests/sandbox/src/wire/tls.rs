//! The certificate authority of the stand-in, made anew at each start.

use std::sync::Arc;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Real host names the certificate also covers, for tests that redirect names to this machine.
const CLOUD_NAMES: [&str; 8] = [
    "*.aliyun.com",
    "*.alibabacloud.com",
    "*.aliyuncs.com",
    "*.alibabacloudcs.com",
    "*.cn-hangzhou.aliyuncs.com",
    "*.ap-southeast-1.aliyuncs.com",
    "*.vpc-proxy.aliyuncs.com",
    "*.alibabacloudsso.com",
];

/// What a listener needs, and what a client must trust.
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) ca_pem: String,
}

/// Makes a CA and a server certificate signed by it.
pub(crate) fn generate() -> anyhow::Result<Tls> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, "mcp-proxy sandbox CA");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?).context("making the CA")?;

    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].iter().map(ToString::to_string).collect();
    names.extend(CLOUD_NAMES.iter().map(ToString::to_string));
    let mut leaf = CertificateParams::new(names)?;
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.distinguished_name.push(DnType::CommonName, "mcp-proxy sandbox");
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &ca).context("making the server certificate")?;

    let chain = vec![certificate.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { config: Arc::new(config), ca_pem: ca.pem() })
}
