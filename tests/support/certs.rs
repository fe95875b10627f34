//! A folder of PEM files: an authority, a server's and a client's certificate, X.509 v3 with the
//! names and key usages that every client asks for.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Writes `ca.crt`, `server.crt`, `server.key`, `client.crt`, `client.key` into `dir`.
pub(crate) fn write(dir: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = named("Falconer test authority", &[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = authority.self_signed(&authority_key).unwrap();
    fs::write(dir.join("ca.crt"), certificate.pem()).unwrap();

    let issuer = Issuer::new(authority, authority_key);
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    leaf(dir, "server", &names, ExtendedKeyUsagePurpose::ServerAuth, &issuer);
    leaf(dir, "client", &[], ExtendedKeyUsagePurpose::ClientAuth, &issuer);
}

fn leaf(
    dir: &Path,
    name: &str,
    alternative_names: &[String],
    purpose: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'_, KeyPair>,
) {
    let key = KeyPair::generate().unwrap();
    let mut params = named(name, alternative_names);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, issuer).unwrap();
    fs::write(dir.join(format!("{name}.crt")), certificate.pem()).unwrap();
    fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

fn named(common_name: &str, alternative_names: &[String]) -> CertificateParams {
    let mut params = CertificateParams::new(alternative_names).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
